"""The scripts that make shells ask this program what may stand at a place of its command line.

Replaces click's own for bash, zsh and fish. Those leave a blank behind `name=` and `group:`, which
more is to be typed after; bash's knows no words with `=` or `:` in them, lets the shell read names
as patterns, and fish's cuts a meaning at its first comma.
"""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

_BASH = """\
%(complete_func)s() {
    local response reply
    response=$(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
%(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    while IFS= read -r reply; do
        case $reply in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*) COMPREPLY+=("${reply#plain,}") ;;
        esac
    done <<<"$response"
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
        compopt -o nospace
    fi
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a response plain described open open_described
    local kind key meaning
    (( ! $+commands[%(prog_name)s] )) && return 1

    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")

    for kind key meaning in ${response}; do
        if [[ "$kind" == dir ]]; then
            _path_files -/
        elif [[ "$kind" == file ]]; then
            _path_files -f
        elif [[ "$kind" == plain && "$meaning" == _ ]]; then
            if [[ "$key" == *[=:] ]]; then open+=("$key"); else plain+=("$key"); fi
        elif [[ "$kind" == plain ]]; then
            if [[ "$key" == *[=:] ]]; then
                open_described+=("$key":"$meaning")
            else
                described+=("$key":"$meaning")
            fi
        fi
    done

    [ -n "$open_described" ] && _describe -V unsorted open_described -U -S ''
    [ -n "$open" ] && compadd -U -S '' -V unsorted -a open
    [ -n "$described" ] && _describe -V unsorted described -U
    [ -n "$plain" ] && compadd -U -V unsorted -a plain
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    for reply in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
COMP_CWORD=(commandline -t) %(prog_name)s 2>/dev/null)
        set -l parts (string split -m 1 "," -- $reply)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class Bash(BashComplete):
    """bash, which replaces what stands behind the last `=` or `:`, unless it was told not to."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and what has been typed of the one that it is in."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        self._typed = words.pop() if len(words) > 1 and not line[-1:].isspace() else ""
        return words[1:], self._typed

    def format_completion(self, item: CompletionItem) -> str:
        """Return a completion as the script reads it."""
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) & set("=:")
        place = max((self._typed.rfind(each) + 1 for each in breaks), default=0)
        return f"{item.type},{item.value[place:] if item.type == 'plain' else item.value}"


class Zsh(ZshComplete):
    """zsh."""

    source_template = _ZSH


class Fish(FishComplete):
    """fish."""

    source_template = _FISH


def register() -> None:
    """Have click take these instead of its own."""
    for shell in (Bash, Zsh, Fish):
        add_completion_class(shell)
