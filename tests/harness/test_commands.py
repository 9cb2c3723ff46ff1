"""The recorded commands, held to the command line of the engine at hand."""

from __future__ import annotations

import shutil

import pytest

from drydock.engine import cli_help
from drydock.model import commands


def test_the_recorded_commands_are_those_of_the_command_line(engine, pytestconfig):
    """What is recorded for this engine is what its command line says of itself; with --record it is written anew."""
    program = cli_help.program_name(engine)
    if not shutil.which(program, path=engine.client["PATH"]):
        pytest.skip(f"no {program} command on the PATH")
    recording = pytestconfig.getoption("--record")
    if not recording and not commands.commands_file(engine.key).is_file():
        pytest.skip(f"no commands recorded for {engine.key}")
    now = cli_help.record_commands(engine)
    if recording:
        commands.save_commands(now)
    recorded = commands.load_commands(engine.key)
    if not engine.private and recorded.programs[program].versions != now.programs[program].versions:
        pytest.skip(f"recorded with {recorded.programs[program].versions}, here {now.programs[program].versions}")

    assert recorded == now, f"run: {commands.RECORD_COMMAND}"
