"""Migration: brings what an older version of the zoo stored up to date, by a command, once."""

from benchmarks.migration import presets, runs
from zoo import pretrained


def migrate(console):
    """Migrates the runs of the store, and the presets in `zoo/presets`.

    Args:
        console: `rich.console.Console` for messages.
    """
    migrated, left = runs.migrate()
    console.print(f"Runs: {migrated} brought up to date.", highlight=False)
    for title, reason in left.items():
        console.print(f"Left as it is: {title}: {reason}", highlight=False, soft_wrap=True)
    for name in pretrained.list_presets():
        if changed := presets.migrate_preset(pretrained.PRESETS / name):
            console.print(f"Preset {name}: {', '.join(changed)}", highlight=False)
