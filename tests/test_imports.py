import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_imports_go_one_way() -> None:
    done = lint(ROOT)

    assert done.returncode == 0, done.stdout


def test_an_import_against_the_direction_is_found(tmp_path: Path) -> None:
    package = tmp_path / "gmbot"
    for source in (ROOT / "gmbot").rglob("*.py"):
        copy = package / source.relative_to(ROOT / "gmbot")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    with (package / "api" / "backoff.py").open("a") as file:
        file.write("\nfrom gmbot.guard import policies  # the wrong way\n")

    done = lint(tmp_path)

    assert done.returncode == 1
    assert "gmbot.api is not allowed to import gmbot.guard" in done.stdout
