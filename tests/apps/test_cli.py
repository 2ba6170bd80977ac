from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from importlib import import_module

import pytest
from edgecv.apps import cli
from edgecv.apps.cli import COMMANDS

import edgecv as package

START = [sys.executable, "-m", "edgecv.apps.cli"]
RUNTIMES = {"ai_edge_litert", "onnxruntime", "openvino", "tensorflow"}


def test_help_lists_every_command_and_its_purpose(edgecv) -> None:
    ran = edgecv("--help")
    assert ran.code == 0
    for name, command in COMMANDS.items():
        assert f"    {name} " in ran.out
        assert command.help in ran.out
    assert "examples:" in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exports_its_two_functions(name) -> None:
    module = import_module(COMMANDS[name].module)
    module.configure(argparse.ArgumentParser())
    assert callable(module.run)


@pytest.mark.parametrize("words", [["eval", "detect"], *([n] for n in COMMANDS if n != "eval")])
def test_help_teaches_by_examples(words, edgecv) -> None:
    ran = edgecv(*words, "--help")
    assert ran.code == 0
    assert f"edgecv {words[0]}" in ran.out.partition("example")[2]


def test_help_imports_no_runtime_and_no_command(process) -> None:
    code = (
        "import sys; from edgecv.apps.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("MODULES ")[2].split())
    assert not loaded & RUNTIMES
    assert not loaded & {command.module for command in COMMANDS.values()}


def test_the_version_is_the_package_s(edgecv) -> None:
    assert edgecv("--version") == (0, f"edgecv {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage: edgecv"),
        (["detct"], "no command 'detct'; did you mean 'detect'?"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["detect"], "arguments are required: SOURCE"),
    ],
    ids=["no command", "unknown command", "unknown option", "no source"],
)
def test_a_wrong_command_line_is_code_2_and_says_how_it_goes(words, said, edgecv) -> None:
    ran = edgecv(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert "usage: edgecv" in ran.err


def test_an_error_is_one_line_and_debug_shows_where_it_arose(process, tmp_path) -> None:
    missing = tmp_path / "photo.jpg"
    quiet = process("detect", missing)
    assert (quiet.code, quiet.out) == (1, "")
    assert quiet.err == f"edgecv: no such file or folder: {missing}\n"
    for words in (["--debug", "detect", missing], ["detect", missing, "--debug"]):
        loud = process(*words)
        assert loud.code == 1
        assert "Traceback" in loud.err
        assert "edgecv.errors.ImageError" in loud.err


def test_nothing_but_results_is_written_when_all_is_well(process, colours, picture) -> None:
    ran = process("classify", picture("a.png", "green"), "--model", colours)
    assert ran.code == 0
    assert ran.err == ""
    assert ": green 1.00  [" in ran.out


@pytest.mark.parametrize("extra", [[], ["--json", "-"]], ids=["lines", "json"])
def test_a_reader_that_goes_away_ends_the_run_quietly(extra, colours, picture, tmp_path) -> None:
    for number in range(40):
        picture(f"many/{number}.png")
    command = [*START, "classify", str(tmp_path / "many"), "--model", str(colours), *extra]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        first = running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read()
    assert b"0.png" in first
    assert err == b""
    # the rest may all have gone into the pipe's buffer before it was closed
    assert running.returncode in (0, 141)


def test_a_closed_pipe_is_code_141_without_a_trace(colours, picture) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    command = [*START, "classify", str(picture("a.png")), "--model", str(colours), "--json", "-"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interrupt_is_code_130_without_a_trace(colours, picture, tmp_path) -> None:
    os.mkfifo(tmp_path / "late.png")  # the run waits for it for ever
    picture("first.png")
    sources = [str(tmp_path / "first.png"), str(tmp_path / "late.png")]
    command = [*START, "classify", *sources, "--model", str(colours), "--json", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert json.loads(running.stdout.readline())["source"] == sources[0]
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert (running.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_closed_streams_do_not_matter(closed, code, colours, picture, tmp_path) -> None:
    words = ["classify", picture("a.png"), "--model", colours, "--json", tmp_path / "r.jsonl"]
    line = f"{shlex.join([*START, *map(str, words)])} {closed}"
    assert subprocess.run(["sh", "-c", line], capture_output=True, check=False).returncode == code
    assert json.loads((tmp_path / "r.jsonl").read_text())["frame"] == 0


def test_file_names_that_are_no_text_do_not_stop_the_run(process, colours, picture, tmp_path):
    path = picture("a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    lines = process("classify", path, "--model", colours)
    assert lines.code == 0
    assert r"caf\udce9.png: red" in lines.out
    jsons = process("classify", path, "--model", colours, "--json", "-")
    assert json.loads(jsons.out)["source"] == str(path)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (OSError("odd"), "odd"),
        (OSError(), "OSError"),
        (ValueError("two\n  lines"), "two lines"),
    ],
    ids=["errno", "with a file", "text", "nothing", "lines"],
)
def test_an_error_fits_on_a_line(error, text) -> None:
    assert cli._one_line(error) == text
