"""Faults of the server, and of files and machines."""

from tests.mutants.plant import Plant

_INFLUENCE = (
    "tests/attacks/test_hostile_site.py::test_without_dp_neither_weight_nor_norm_buys_influence",
)
_LOGS = ("tests/attacks/test_hostile_site.py::test_a_text_of_a_site_makes_one_line_of_a_log",)

SERVER = (
    Plant(
        "a key of two sites",
        "fl_server/cloud/enrolment.py",
        "        if holders and holders != [name]:",
        "        if False:",
        ("tests/unit/fl_server/cloud/test_enrolment.py",),
    ),
    Plant(
        "a key that changes without the word of the old one",
        "fl_server/cloud/desk.py",
        "        elif asked.is_signed_by(old, key):",
        "        elif asked.signatures:",
        ("tests/attacks/test_key_rotation.py",),
    ),
    Plant(
        "a token that brings a revoked box back",
        "fl_server/cloud/tokens.py",
        '                    token.used[name] = ""',
        "                    pass",
        ("tests/attacks/test_enrolment_by_token.py",),
    ),
    Plant(
        "a time to answer that depends on the other sites",
        "fl_server/rounds/exchange.py",
        "        ttl = self.deadlines.timeout_s",
        "        ttl = self.deadlines.quorum.grace_s",
        ("tests/unit/fl_server/rounds/test_quorum.py",),
    ),
    Plant(
        "a box's health that is told unasked",
        "fl_client/node/telling.py",
        '        if self._federation["tell_health"] and self._federation["server"] is not None:',
        '        if self._federation["server"] is not None:',
        ("tests/unit/fl_client/node/test_telling.py",),
    ),
    Plant(
        "a line break of others in the log",
        "fl_common/programs/text.py",
        "    if text.isprintable():",
        "    if True:",
        _LOGS,
    ),
    Plant(
        "a run's model as a third party's",
        "fl_server/repository/promotion.py",
        "    if run_behind(repository, component) is None:",
        "    if run_behind(repository, component) != 1:",
        ("tests/attacks/test_hostile_publisher.py",),
    ),
    Plant(
        "telemetry that is left on",
        "fl_common/telemetry.py",
        "    os.environ.update(OFF)",
        "    os.environ.update({})",
        (
            "tests/attacks/test_connections.py::test_a_command_talks_to_nobody_and_keeps_to_its_folders",
        ),
    ),
    Plant(
        "a name that is not bound to its node",
        "fl_server/rounds/roster.py",
        "        if claimed != self.site:",
        "        if False:",
        ("tests/attacks/test_hostile_site.py::test_an_answer_in_another_name_does_not_count",),
    ),
    Plant(
        "a weight as it is claimed",
        "fl_server/rounds/screening.py",
        "weight = cut(update.weight, heaviest)",
        "weight = update.weight",
        _INFLUENCE,
    ),
    Plant(
        "a norm as it is sent",
        "fl_server/rounds/screening.py",
        "if (bounded := cut(influence, largest)) < influence:",
        "if (bounded := cut(influence, largest)) < 0 * influence:",
        _INFLUENCE,
    ),
    Plant(
        "an ONNX file that names another",
        "models/onnx/schema.py",
        " 14 data_location int,",
        " 13 external_data *StringStringEntryProto, 14 data_location int,",
        ("tests/attacks/test_hostile_model.py", "tests/unit/models/onnx/test_content.py"),
    ),
    Plant(
        "a Ray cluster without a token",
        "simulate/engines/ray_cluster.py",
        'RAY_AUTH_MODE="token"',
        'RAY_AUTH_MODE="disabled"',
        ("tests/attacks/test_neighbour_of_ray.py",),
    ),
    Plant(
        "files that others may read",
        "fl_common/programs/confinement.py",
        "_OTHERS = 0o077",
        "_OTHERS = 0o022",
        ("tests/attacks/test_neighbour.py",),
    ),
    Plant(
        "an update longer than its plan allows",
        "fl_server/rounds/plan_bound.py",
        "    return reach * (signal + noise) * math.exp(",
        "    return 1e30 * reach * (signal + noise) * math.exp(",
        ("tests/unit/fl_server/rounds/test_screening.py",),
    ),
    Plant(
        "a port beyond this machine without a token",
        "fl_client/sensors/transports/http/access.py",
        "        if not is_loopback(host) and (",
        "        if False and (",
        ("tests/attacks/test_ports_of_a_box.py",),
    ),
)
