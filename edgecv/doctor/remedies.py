"""Commands that several checks give."""

from __future__ import annotations

from .facts import Facts, Node

LOG_IN = "log out and in again"


def join_group(facts: Facts, group: str) -> str:
    """Return what makes this user a member of a group, in this session."""
    if group in facts.user.listed and group not in facts.user.groups:
        return f"{LOG_IN}: this session began before you joined the group {group}"
    return f"sudo usermod -aG {group} $USER  # then {LOG_IN}"


def open_node(facts: Facts, node: Node, group: str) -> str:
    """Return what lets this user open a device file.

    Args:
        facts: Who the user is.
        node: The file.
        group: The group that owns such files where the system's rules are in place.
    """
    if node.group and node.group != "root":
        return join_group(facts, node.group)
    return (
        f"sudo chgrp {group} {node.path} && sudo chmod g+rw {node.path} && "
        f"sudo usermod -aG {group} $USER  # then {LOG_IN}"
    )


def paths(nodes: tuple[Node, ...] | list[Node]) -> str:
    """Return the files' paths for a sentence: "/dev/video0, /dev/video1 and 3 more"."""
    most = 2
    shown = ", ".join(node.path for node in nodes[:most])
    return shown + (f" and {len(nodes) - most} more" if len(nodes) > most else "")
