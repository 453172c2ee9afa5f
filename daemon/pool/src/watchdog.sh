# A bastion's own end: what its container runs in place of the image's command.
#
#   sh -c "$(cat watchdog.sh)" watchdog FIRST GRACE LIFE
#
#   no session yet ─── FIRST s ───▶ end          any time ─── TERM ───▶ end, within a second
#   no session left ── GRACE s ───▶ end          LIFE s after the start, whoever is there ───▶ end
#
# A session is a process of its own in this container, by the name of ssm-session-worker; it outlives the laptop at its
# other end until the service's idle limit, and not longer. Nothing is read but /proc/*/cmdline. Where that shows nothing
# at all, or hides other users' processes, nobody can say whether there is a session: then LIFE alone holds.
#
# Plain POSIX sh: dash, bash, busybox. Needs `sleep` and nothing else; 127 says that there is none. What is rendered from
# this file has no comments, so that it fits into the 8,192 characters of RunTask's overrides.

# PID 1 gets no signal that it has no handler for.
trap 'exit 143' TERM INT HUP
sleep 0 || exit 127
patience=$1 alone=0 age=0
while [ "$age" -lt "$3" ]; do
	live='' sighted='' hidden=''
	for process in /proc/[0-9]*; do
		# The zero bytes between the words fall away; a process that has just gone reads as nothing.
		line=''
		{ read -r line <"$process/cmdline"; } 2>/dev/null
		case $line in
		# In brackets, because this very text is a command line, too.
		ssm-session-worke[r]* | */ssm-session-worke[r]*) live=1 ;;
		?*) sighted=1 ;;
		*) { true <"$process/cmdline"; } 2>/dev/null || [ ! -e "$process" ] || hidden=1 ;;
		esac
	done
	if [ "$live" ]; then
		patience=$2 alone=0
	elif [ "$sighted" ] && [ ! "$hidden" ]; then
		alone=$((alone + 1))
		[ "$alone" -le "$patience" ] || exit 0
	fi
	sleep 1
	age=$((age + 1))
done
exit 0
