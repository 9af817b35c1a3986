# shellcheck shell=bash
# Sourced by the scripts that start a run elsewhere: errors, quoting, --dry-run.
#
#   fail WORDS              prints an error and ends with 2
#   quoted WORD             a word as a shell reads it back, in single quotes where it needs any
#   line_of WORD...         a command line
#   run WORD...             prints a command; runs it too unless dry_run is 1
#   begin_arguments "$@"    sets dry_run and the array flags; refuses a --dry-run that is not first

fail() {
  echo "ERROR: $*" >&2
  exit 2
}

quoted() {
  if [[ $1 =~ ^[A-Za-z0-9_./:=@,+-]+$ ]]; then
    printf '%s' "$1"
  else
    printf "'%s'" "${1//\'/\'\\\'\'}"
  fi
}

line_of() {
  local word line=''
  for word in "$@"; do
    line+=" $(quoted "$word")"
  done
  printf '%s' "${line:1}"
}

run() {
  printf '%s\n' "$(line_of "$@")"
  [ "$dry_run" = 1 ] || "$@"
}

begin_arguments() {
  local word
  dry_run=0
  if [ "${1:-}" = --dry-run ]; then
    dry_run=1
    shift
  fi
  # shellcheck disable=SC2034  # read by the script that sources this
  flags=("$@")
  for word in "$@"; do
    [ "$word" != --dry-run ] || fail '--dry-run must come first; nothing was run'
  done
}

# Refuses a call without flags; COMMAND may be another program, which needs none.
need_flags() {
  if [[ $COMMAND == *xlbarrier.main && $# = 0 ]]; then
    fail 'no flags for xlbarrier.main; expected at least --config=FILE --workdir=SHARED_FOLDER'
  fi
}

# Refuses variables that are not set, and a tool that is not installed.
need_variables() {
  local name missing=''
  for name in "$@"; do
    [ -n "${!name}" ] || missing+=", $name"
  done
  [ -z "$missing" ] || fail "not set: ${missing:2}; see the top of launch/${0##*/}"
}

need_tool() {
  if [ "$dry_run" = 0 ] && ! command -v "$1" >/dev/null; then
    fail "$1 is not installed: $2 (or use --dry-run)"
  fi
}
