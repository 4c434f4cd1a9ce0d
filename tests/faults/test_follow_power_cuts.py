"""A site's process is killed at each step that it makes durable, and started again.

A child process imports everything once and forks: one fork follows the repository and is killed
with SIGKILL at its n-th step on disk, another fork is the restart. So every step of download,
verification, activation, health window, commit and rollback is met, whatever their number.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repositories import World
from tests.support.sites import released, site
from tests.support.sources import ROOT

CHILD = '''
import json, os, shutil, signal, sys
from pathlib import Path
import numpy, models.onnx.runtime
from tests.support.repositories import World
from tests.support.sites import site

folder, most = Path(sys.argv[1]), int(sys.argv[2])

def killed_at(step):
    """SIGKILL before the step-th fsync, rename or deletion of a file of this process."""
    left = [step]
    def counted(call):
        def at_a_step(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)
        return at_a_step
    for name in ("fsync", "replace", "rename", "unlink", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))

def in_fork(work):
    """What ``work`` returns, or None where the process was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, json.dumps(work()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return None
    assert status == 0, status
    return json.loads(said)

def follow(step):
    box = site(World(folder))
    if step:
        killed_at(step)
    return [box.settle(), box.good]

def restart():
    box = site(World(folder))
    return [box.live(), follow(0)]

before = folder / "site-before"
shutil.copytree(folder / "site", before)
for step in range(1, most):
    shutil.rmtree(folder / "site")
    shutil.copytree(before, folder / "site")
    done = in_fork(lambda: follow(step))
    print(json.dumps([step, done, in_fork(restart)]), flush=True)
    if done is not None:
        break
'''
MOST_STEPS = 200


def lives(folder: Path) -> list[tuple[int, object, list[object]]]:
    """For each step: what the process that was killed at it said (None), and the restarted one."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(MOST_STEPS)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return [tuple(json.loads(line)) for line in child.stdout.splitlines()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A site that runs version 1, which answers 0."""
    world = World(tmp_path)
    world.created()
    released(world, answer=0)
    assert site(world).settle() == 0
    return world


@pytest.mark.long
def test_a_good_version_arrives_whatever_step_the_power_is_cut_at(world: World) -> None:
    released(world, answer=1)
    found = lives(world.folder)
    assert len(found) > 20
    assert found[-1][1] == [1, ["2", "1"]], "the last life was not killed"
    for step, killed, (at_once, later) in found[:-1]:
        assert killed is None, step
        assert at_once in (0, 1), f"no model served after a cut at step {step}"
        assert later == [1, ["2", "1"]], step


@pytest.mark.long
def test_a_bad_version_is_gone_whatever_step_the_power_is_cut_at(world: World) -> None:
    released(world, answer=1, not_finite="always")
    found = lives(world.folder)
    assert len(found) > 20
    assert found[-1][1] == [0, ["1"]]
    for step, killed, (at_once, later) in found[:-1]:
        assert killed is None, step
        assert at_once == 0, step
        assert later == [0, ["1"]], step
