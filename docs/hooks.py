"""Hooks of the documentation site: links to files outside of `docs` lead to the repository."""

import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((\.\./[^)\s]*)\)")


def on_page_markdown(markdown, page, config, **kwargs):
    """Replaces the links of a page that leave `docs`."""
    folder = PurePosixPath("docs", page.file.src_uri).parent

    def replaced(match):
        parts = []
        for part in (folder / match[1]).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        if parts[0] == "docs":
            return match[0]
        target = "/".join(parts)
        if not (ROOT / target.partition("#")[0]).exists():
            raise ValueError(f"{page.file.src_uri} has a link to {target}, which doesn't exist.")
        return f"]({config.repo_url}/blob/main/{target})"

    return LINK.sub(replaced, markdown)
