"""What comes before the servers."""

from scripts import steps


def test_collected_files_in_a_data_dir_of_the_checkout_are_no_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    for name in ("static/site.css", "app/static/app.css", "app/__init__.py", "var/static/site.css", "requirements.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    before = steps.static_fingerprint()
    assert {path.name for path in steps.static_files()} == {"site.css", "app.css"}

    (tmp_path / "var/static/site.1234.css").touch()
    assert steps.static_fingerprint() == before

    (tmp_path / "app/static/new.css").touch()
    assert steps.static_fingerprint() != before
