"""Examples of each command, for its `--help` and for the manual."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "run": (
        ("autogpt-db run", "On a PostgreSQL of its own, until Ctrl-C."),
        (
            (
                "DATABASE_URL='postgresql://user:password@db.example:5432/postgres?schema=platform'"
                " autogpt-db run"
            ),
            "On a database of yours.",
        ),
    ),
    "check": (
        ("autogpt-db check", "Would the service start?"),
        (
            "autogpt-db --config ./autogpt-db.toml check",
            "The same of another file, before it is put in place.",
        ),
    ),
    "config": (
        ("autogpt-db config", "Every option, and where its value came from."),
        ("autogpt-db config --changed", "What isn't at its default."),
    ),
    "status": (
        ("autogpt-db status", "What runs, and what is the matter."),
        ("autogpt-db status --json", "The same for a program."),
    ),
    "top": (
        ("autogpt-db top", "The same and more, live: calls, durations, errors, jobs; q ends it."),
        ("autogpt-db top --once --json --interval 1", "One look over a second, for a script."),
        ("autogpt-db top --once --sort p99", "The slowest methods first, as plain text."),
    ),
    "doctor": (
        ("autogpt-db doctor", "What is wrong with the installation, and what mends it."),
        ("autogpt-db doctor --json", "The same for a program; exit code 1 where a check fails."),
    ),
    "help": (
        ("autogpt-db help", "Which pages there are."),
        ("autogpt-db help back-up-and-restore", "Print one; `| less` pages it."),
        ("autogpt-db help get_execution_kv_data", "What a method does."),
        ("autogpt-db help jobs run", "The help of a command."),
    ),
    "methods": (
        ("autogpt-db methods", "What is served, what it writes, and what a repeat does."),
        ("autogpt-db methods --release 0.6.68", "What becomes of each for that AutoGPT."),
    ),
    "call": (
        ("autogpt-db call get_execution_kv_data user_id=ada key=greeting", "Read a value."),
        (
            (
                "autogpt-db call set_execution_kv_data user_id=ada node_exec_id=n key=greeting "
                'data=\'{"text": "Hello"}\''
            ),
            "Write one: what isn't text is JSON.",
        ),
        ("autogpt-db call get_execution_kv_data --help", "What a method does and takes."),
    ),
    "import": (
        (
            "autogpt-db import agent.json --user ada@example.com",
            "Load an agent that AutoGPT's *export agent* wrote.",
        ),
    ),
    "admin open": (("autogpt-db admin open", "A link for the browser, which works once."),),
    "admin token": (
        (
            "autogpt-db admin token",
            "What a script sends along: Authorization: Bearer …",
        ),
    ),
    "logs": (
        ("autogpt-db logs -f --method spend_credits", "A method's records as they come."),
        ("autogpt-db logs --since 1h --level warning", "What went wrong in the last hour."),
        ("autogpt-db logs --request 0f3a9c21 --json", "Every step of a request, for a script."),
        (
            "autogpt-db logs --file /var/log/autogpt-db.json --process api_00 -f",
            "Of a service that systemd doesn't run.",
        ),
    ),
    "events": (
        ("autogpt-db events --last 50", "The last changes of executions and balances."),
        ("autogpt-db events --follow --user c78d264b-d9ea-5d5d-b3e6-145e5dab4dfd", "As they come."),
        ("autogpt-db events --after 0f3a9c21-75310-4 --json", "What came since, for a script."),
    ),
    "executions stuck": (
        ("autogpt-db executions stuck", "What nothing moves any more."),
        ("autogpt-db executions stuck --days 90 --dry-run", "And what ending it would do."),
    ),
    "user show": (
        ("autogpt-db user show ada@example.com", "Who that is, and what she has."),
        ("autogpt-db user show c78d264b-d9ea-5d5d-b3e6-145e5dab4dfd --json", "By the id."),
    ),
    "user list": (
        ("autogpt-db user list --search ada", "Whose address or name has it in it."),
        ("autogpt-db user list --tier PRO --active 7 --order activity", "Who works with it."),
        ("autogpt-db user list --organization acme", "An organization's members."),
    ),
    "chats list": (
        ("autogpt-db chats list ada@example.com", "The latest chats first."),
        ("autogpt-db chats list ada@example.com --search invoice", "Those about something."),
    ),
    "chats show": (
        ("autogpt-db chats show 3f1c1b9e-7d0f-4c59-9f5c-6f3f0d0a2c11", "Its last messages."),
        (
            "autogpt-db chats show 3f1c1b9e-7d0f-4c59-9f5c-6f3f0d0a2c11 --before 120 --full",
            "Those before, with all that tools have answered.",
        ),
    ),
    "jobs list": (("autogpt-db jobs list", "When each runs, and how it last ended."),),
    "jobs run": (
        ("autogpt-db jobs run watch_executions --wait", "Run a job now, and wait for its end."),
    ),
    "jobs history": (
        ("autogpt-db jobs history watch_executions --limit 5", "A job's last five runs."),
    ),
    "jobs pause": (("autogpt-db jobs pause watch_executions", "Start no more, on no host."),),
    "jobs resume": (("autogpt-db jobs resume watch_executions", "Start it again."),),
    "jobs failed": (("autogpt-db jobs failed", "What failed at every attempt, and why."),),
    "jobs requeue": (("autogpt-db jobs requeue --all", "Try all of those again."),),
    "ctl reload": (
        ("autogpt-db ctl reload --wait", "Put new settings into effect; fail if they are wrong."),
    ),
    "ctl rolling-restart": (
        ("autogpt-db ctl rolling-restart", "Replace every process; nobody is refused."),
    ),
    "ctl drain": (("autogpt-db ctl drain", "Finish what runs; new connections wait."),),
    "ctl resume": (("autogpt-db ctl resume", "Serve them."),),
    "ctl status": (("autogpt-db ctl status", "Every process, as Supervisor sees it."),),
    "ctl restart": (
        ("autogpt-db ctl restart api:api_00", "One process."),
        ("autogpt-db ctl restart api:", "A group, one after the other."),
    ),
    "ctl tail": (("autogpt-db ctl tail api:api_00", "The last of a process's own output."),),
    "ctl signal": (
        ("autogpt-db ctl signal TERM worker:worker_00", "End one; it is started again."),
    ),
    "psql": (
        ("autogpt-db psql", "A shell on the service's database."),
        (
            "autogpt-db psql -c 'SELECT count(*) FROM \"User\"'",
            "Run a statement; AutoGPT's schema comes first.",
        ),
    ),
    "dsn": (("autogpt-db dsn", "Where the database is, without its password."),),
    "migrate": (
        ("autogpt-db migrate", "Bring what is ours up to date before the next start."),
        ("autogpt-db migrate --platform", "Bring tables that autogpt-db made to v0.6.68."),
    ),
    "backup": (
        ("autogpt-db backup /var/backups/autogpt-db", "The last line printed is its path."),
    ),
    "verify-backup": (
        (
            "autogpt-db verify-backup /var/backups/autogpt-db/autogpt-db-20261124T172730Z",
            "Is it what it was when it was made?",
        ),
    ),
    "restore": (
        (
            "autogpt-db restore --replace /var/backups/autogpt-db/autogpt-db-20261124T172730Z",
            "The service must be stopped. What is there is put aside and kept.",
        ),
    ),
    "upgrade-cluster": (
        ("autogpt-db upgrade-cluster", "To the PostgreSQL that new data would get."),
        (
            "autogpt-db upgrade-cluster --by-dump --to /usr/lib/postgresql/17/bin",
            "To a certain one, where pg_upgrade refuses.",
        ),
    ),
    "rotate-key": (
        ("autogpt-db rotate-key --dry-run", "What would be done, and what is in the way."),
        ("autogpt-db rotate-key", "Do it."),
    ),
}
"""By the words that call a command: lines to type, and what each is for."""
