import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from gmbot import __version__
from gmbot.sandbox import story
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.process import run_bot
from gmbot.sandbox.telegram import Telegram
from tests.process.support import DEADLINE, Town, wait_until


def one_line_each(errors: str) -> list[str]:
    lines = errors.splitlines()
    assert all(line.startswith("gmbot: ") for line in lines), errors
    return lines


async def test_every_configuration_error_is_said_at_once(town: Town) -> None:
    done = await town.command(
        "run", BOT_TOKEN="junk", DATABASE_URL="mysql://x", RATE_CALLS="-1", LOG_LEVEL="LOUD"
    )

    assert done.returncode == 2
    lines = one_line_each(done.stderr)
    assert [line.split()[1] for line in lines] == [
        "BOT_TOKEN",
        "DATABASE_URL",
        "RATE_CALLS",
        "LOG_LEVEL",
    ]
    assert "junk" not in done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"DATABASE_URL": "postgresql://u:secret@h/d"}, id="postgresql"),
        pytest.param({"WEBHOOK_URL": "http://127.0.0.1/secret"}, id="webhook"),
    ],
)
async def test_what_this_version_cannot_do_is_refused_clearly(
    town: Town, changes: dict[str, str]
) -> None:
    done = await town.command("run", **changes)

    assert done.returncode == 2
    assert len(one_line_each(done.stderr)) == 1
    assert "secret" not in done.stderr


async def test_a_wrong_token_ends_with_status_1_and_one_line(town: Town) -> None:
    done = await town.command("run", BOT_TOKEN="123456:" + "A" * 35)

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == "gmbot: Telegram refuses BOT_TOKEN: copy it anew from @BotFather"
    assert done.stderr.count("gmbot: ") == 1
    assert "Traceback" not in done.stderr
    assert "A" * 35 not in done.stderr


def unwritable(directory: Path) -> Path:
    if os.geteuid() == 0:
        return Path("/proc/gmbot.db")  # where not even root may write
    locked = directory / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    return locked / "gmbot.db"


def corrupt(directory: Path) -> Path:
    path = directory / "corrupt.db"
    path.write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    return path


def no_database(directory: Path) -> Path:
    path = directory / "text.db"
    path.write_text("dear diary" * 1000)
    return path


def a_directory(directory: Path) -> Path:
    path = directory / "dir.db"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    "make",
    [
        unwritable,
        corrupt,
        no_database,
        a_directory,
    ],
)
async def test_a_database_that_cannot_be_used_is_named_in_one_line(
    town: Town, tmp_path: Path, make: object
) -> None:
    assert callable(make)
    path = make(tmp_path)

    done = await town.command("run", DATABASE_URL=f"sqlite:///{path}")

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("gmbot: ")
    assert str(path) in last
    assert "Traceback" not in done.stderr


async def test_a_sidecar_port_that_is_taken_is_named_in_one_line(town: Town) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = await town.command("run", SIDECAR_BIND=f"127.0.0.1:{port}")

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("gmbot: ")
    assert str(port) in last
    assert "Traceback" not in done.stderr


async def test_check_finds_everything_well_beside_a_running_bot(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        polled = town.telegram.outlet().poll.offset_repeats

        done = await town.command("check")

        assert bot.process.poll() is None
    assert done.returncode == 0
    assert all(line.startswith("ok ") for line in done.stdout.splitlines())
    subjects = {line.split()[1] for line in done.stdout.splitlines()}
    assert subjects == {"token", "database", "webhook", "rights"}
    assert town.telegram.outlet().poll.offset_repeats == polled
    assert "source_conflict" not in bot.log


async def test_check_makes_no_database_and_says_what_is_wrong_with_its_place(
    town: Town, tmp_path: Path
) -> None:
    done = await town.command("check")
    lost = await town.command("check", DATABASE_URL=f"sqlite:///{tmp_path}/nowhere/gmbot.db")

    assert done.returncode == 0
    assert "gmbot run makes it" in done.stdout
    assert not (tmp_path / "gmbot.db").exists()
    assert lost.returncode == 1
    assert "WRONG  database" in lost.stdout
    assert "nowhere is no directory" in lost.stdout


async def test_check_names_the_right_that_is_missing(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
    town.owner.promote(town.group, town.telegram.bot, can_delete_messages=True)
    town.owner.demote(town.channel, town.telegram.bot)

    done = await town.command("check")

    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 2
    assert any("“Ban users”" in line and "Town" in line for line in wrong)
    assert any("News" in line for line in wrong)


async def test_check_says_that_the_token_is_refused(town: Town) -> None:
    done = await town.command("check", BOT_TOKEN="123456:" + "A" * 35)

    assert done.returncode == 1
    assert "WRONG  token" in done.stdout


async def test_check_says_that_telegram_cannot_be_reached_and_looks_at_the_database_all_the_same(
    town: Town, tmp_path: Path
) -> None:
    done = await town.command(
        "check", BOT_API_URL="http://127.0.0.1:9", DATABASE_URL=f"sqlite:///{corrupt(tmp_path)}"
    )

    assert done.returncode == 1
    assert "WRONG  token" in done.stdout
    assert "WRONG  database" in done.stdout


async def test_check_tells_what_telegram_could_not_deliver(town: Town) -> None:
    town.telegram.outlet().settings.set({"url": "http://127.0.0.1:9/nobody"})
    town.telegram.outlet().settings.fail("Connection refused")

    done = await town.command("check", REDIS_URL="redis://127.0.0.1:1")

    assert done.returncode == 1
    assert "Connection refused" in done.stdout
    assert "redis" in done.stdout


async def test_check_says_what_it_could_not_look_at(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
    town.telegram.faults.add(Fault.status(400, description="Bad Request"), method="getWebhookInfo")
    town.telegram.faults.add(Fault.status(400, description="Bad Request"), method="getChatMember")

    done = await town.command("check")

    assert done.returncode == 1
    wrong = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert sorted(wrong) == ["rights", "rights", "webhook"]


async def test_check_tells_names_that_the_terminal_cannot_show(town: Town) -> None:
    done = await town.command("check", DATABASE_URL="sqlite:///☃.db", PYTHONIOENCODING="latin-1")

    assert done.returncode == 0, done.stderr
    assert "\\u2603.db" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "| true"])
async def test_check_ends_as_ever_where_nobody_reads_what_it_says(town: Town, closed: str) -> None:
    script = f'( {sys.executable} -m gmbot check; echo "status $?" >&2 ) {closed}'

    with trio.fail_after(DEADLINE):
        done = await trio.run_process(
            ["/bin/sh", "-c", script],
            env=town.environ(LOG_LEVEL="INFO"),
            capture_stderr=True,
            check=False,
            cwd=town.directory,
        )

    assert done.stderr == b"status 0\n"


async def test_check_that_is_interrupted_ends_without_a_traceback(town: Town) -> None:
    hang = town.telegram.faults.add(Fault.hang())
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "gmbot", "check"],
        env=town.environ(LOG_LEVEL="INFO"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    await wait_until(lambda: hang.fired > 0)

    process.send_signal(signal.SIGINT)
    with trio.fail_after(DEADLINE):
        said = b"".join([part async for part in process.stdout])
        assert await process.wait() == 1

    assert said.startswith(b"ok     database")
    assert said.count(b"\n") == 1
    await process.stdout.aclose()


BROKEN = """
import os, sys
from gmbot import cli

async def run(config):
    raise RuntimeError("https://api.telegram.org/bot" + os.environ["BOT_TOKEN"] + "/getMe")

cli.run = run
sys.exit(cli.main(["run"]))
"""


async def test_a_fault_of_our_own_ends_with_status_1_and_tells_no_secret(town: Town) -> None:
    with trio.fail_after(60):
        done = await trio.run_process(
            [sys.executable, "-c", BROKEN], env=town.environ(), capture_stderr=True, check=False
        )

    errors = done.stderr.decode()
    assert done.returncode == 1
    assert "bot_failed" in errors
    assert "fault of its own" in errors.splitlines()[-1]
    assert town.telegram.token not in errors


async def test_the_version_is_told(town: Town) -> None:
    done = await town.command("--version")

    assert (done.returncode, done.stdout) == (0, f"gmbot {__version__}\n")


async def test_an_unknown_command_ends_with_status_2(town: Town) -> None:
    done = await town.command("dance")

    assert done.returncode == 2
    assert "dance" in done.stderr


async def test_the_sandbox_tells_its_story_and_ends_well(town: Town) -> None:
    done = await town.command("sandbox", BOT_TOKEN="")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 16
    assert "✗" not in done.stdout
    assert "All as it should be." in done.stdout


async def test_the_sandbox_ends_badly_where_a_step_does_not_show(
    tmp_path: Path, telegram: Telegram
) -> None:
    said: list[str] = []
    lame = [sys.executable, "-c", "print('my last words')"]

    async with run_bot(telegram, tmp_path, command=lame) as bot:
        went_well = await story.Story(telegram, bot, said.append).tell()

    assert not went_well
    assert any("my last words" in line for line in said)
    assert "Not as it should be." in said[-1]


async def test_the_sandbox_stays_until_it_is_told_to_end(town: Town) -> None:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "gmbot", "sandbox", "--stay"],
        env=town.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    with trio.fail_after(60):
        while b"Press Ctrl+C" not in said:
            said += await process.stdout.receive_some()
        assert process.poll() is None
        process.terminate()
        assert await process.wait() == 0
    await process.stdout.aclose()
