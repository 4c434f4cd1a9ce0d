"""Keys of sites: made where they are used, known elsewhere by their public half alone."""

import stat
import subprocess
from pathlib import Path

import pytest

from fl_client.__main__ import main
from fl_common.errors import InvalidConfiguration
from fl_common.files.keys import fingerprint, make_key, read_public_key


def test_a_box_makes_its_key_and_tells_the_public_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["key", str(tmp_path / "keys" / "kitchen.key")])
    private, public = tmp_path / "keys" / "kitchen.key", tmp_path / "keys" / "kitchen.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    told = capsys.readouterr().out
    assert fingerprint(read_public_key(public)) in told
    assert "PRIVATE" not in told + public.read_text()
    made = subprocess.run(
        ["openssl", "pkey", "-in", private, "-pubout"], capture_output=True, check=True
    )
    assert made.stdout == public.read_bytes()


@pytest.mark.parametrize("there", ["kitchen.key", "kitchen.pub"])
def test_a_key_that_is_there_is_not_replaced(
    tmp_path: Path, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(["key", str(tmp_path / "kitchen.key")])
    assert ended.value.code == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_a_public_key_is_read_in_one_form_whatever_is_around_it(tmp_path: Path) -> None:
    public = make_key(tmp_path / "a.key")
    given = tmp_path / "a.pub"
    given.write_bytes(b"a remark\r\n" + public.replace(b"\n", b"\r\n"))
    assert read_public_key(given) == public


def test_what_is_no_public_key_is_refused_with_the_remedy(tmp_path: Path) -> None:
    make_key(tmp_path / "own.key")
    other = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "ed.key")]
    subprocess.run(other, check=True, capture_output=True)
    public = ["openssl", "pkey", "-in", str(tmp_path / "ed.key"), "-pubout"]
    (tmp_path / "ed.pub").write_bytes(subprocess.run(public, capture_output=True).stdout)
    (tmp_path / "none.pub").write_bytes(bytes(100))
    for name, words in {
        "own.key": "holds a private key, which belongs on the box alone",
        "ed.pub": "is no public key on P-384",
        "none.pub": "is no public key on P-384",
        "missing.pub": "can't be read",
    }.items():
        with pytest.raises(InvalidConfiguration, match=words):
            read_public_key(tmp_path / name)
