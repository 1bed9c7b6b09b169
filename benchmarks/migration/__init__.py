"""Migration: a command that updates the runs and presets of an older version."""

from benchmarks.migration import presets, runs
from zoo import pretrained


def migrate(console):
    """Migrates the runs in the store and the presets in `zoo/presets`.

    Args:
        console: `rich.console.Console` for messages, also about what can't be updated.
    """
    migrated, left = runs.migrate()
    console.print(f"Runs updated: {migrated}.", highlight=False)
    for title, reason in left.items():
        message = f"Not updated: {title}: {reason}"
        console.print(message, highlight=False, markup=False, soft_wrap=True)
    for name in pretrained.list_presets():
        try:
            changed = presets.migrate_preset(pretrained.PRESETS / name)
        except (OSError, ValueError) as error:  # such as a file that differs from its card
            message = f"Not updated: preset {name}: {error}"
            console.print(message, highlight=False, markup=False, soft_wrap=True)
            continue
        if changed:
            console.print(f"Preset {name}: {', '.join(changed)}", highlight=False)
