"""The supervisor's configuration, as the supervisor itself reads it."""

from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from scripts.options import Options
from scripts.supervision import configuration


def read(directory: Path, *, local_host: bool, monkeypatch: pytest.MonkeyPatch) -> ServerOptions:
    for name, value in Options.read({"DATA_DIR": str(directory), "PORT": "8123"}).environment("/a b/python").items():
        monkeypatch.setenv(name, value)
    for part in ("run", "logs"):
        (directory / part).mkdir(parents=True)
    monkeypatch.chdir(directory)
    Path("run/supervisord.conf").write_text(configuration(local_host=local_host))
    options = ServerOptions()
    options.realize(args=["-c", "run/supervisord.conf"])
    return options


def test_a_path_with_spaces_and_percent_signs_arrives_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "data 100% #1;"

    options = read(directory, local_host=True, monkeypatch=monkeypatch)

    programs = {program.name: program for group in options.process_group_configs for program in group.process_configs}
    assert Path(programs["web"].stdout_logfile).resolve() == (directory / "logs" / "web.log")
    assert '"/a b/python" -m uvicorn' in programs["web"].command
    assert "--port 8123" in programs["web"].command


def test_libvirtd_stops_after_what_talks_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read(tmp_path / "d", local_host=True, monkeypatch=monkeypatch)

    by_start = [group.name for group in sorted(options.process_group_configs, key=lambda group: group.priority)]
    assert by_start == ["libvirtd", "cloud"]  # they stop the other way round


def test_simulated_hosts_run_no_libvirtd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read(tmp_path / "d", local_host=False, monkeypatch=monkeypatch)

    assert [group.name for group in options.process_group_configs] == ["cloud"]
