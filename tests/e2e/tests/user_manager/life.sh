# A whole life of the service under a real user manager of systemd's, for a user without any rights, in namespaces of its
# own: no process and no file of it is left behind. Ends with 77 where none can be had.
#
#     unshare --mount --pid --fork --kill-child --mount-proc sh life.sh DIRECTORY-OF-BASTIOND-AND-BASTIONCTL
set -eu
programs=$1
id=54321
# Whatever systemd would look up stands in the home's name.
home='/home/amy 50%h $USER'
run=/run/user/$id

[ -x /lib/systemd/systemd ] || exit 77
mount --make-rprivate / || exit 77
mount -t tmpfs tmpfs /run || exit 77
mount -t tmpfs tmpfs /home
mkdir -p /run/systemd/system "$run" "$home/.local/bin" "$home/.config/bastiond"
for program in bastiond bastionctl; do
    : > "$home/.local/bin/$program"
    mount --bind "$programs/$program" "$home/.local/bin/$program"
done
cat > "$home/.config/bastiond/config.toml" <<'X'
[site.prod]
region = "ap-northeast-1"
cluster = "c"
task_definition = "t"
container = "proxy"
subnets = ["subnet-0123456789abcdef0"]
security_groups = ["sg-0123456789abcdef0"]
[target.prod-db]
site = "prod"
host = "db.internal"
port = 5432
engine = "postgres"
listen = "unix"
X
chown -R $id:$id "$run" /home
chmod 700 "$run"
{ cat /etc/passwd; echo "amy:x:$id:$id::$home:/bin/sh"; } > /run/passwd
mount --bind /run/passwd /etc/passwd

# A group of processes that is the user's to divide.
umount -R -l /sys/fs/cgroup || exit 77
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
group=/sys/fs/cgroup/bastiond-test-$(cat /proc/sys/kernel/random/uuid)
mkdir -p "$group/manager" || exit 77
chown -R $id:$id "$group"
end() {
    code=$?
    echo $$ > /sys/fs/cgroup/cgroup.procs
    # All others here: this shell is their namespace's first process, which the signal spares.
    kill -9 -1 2> /dev/null || true
    for _ in $(seq 100); do
        find "$group" -depth -type d -exec rmdir {} + 2> /dev/null && break
        sleep 0.1
    done
    exit $code
}
trap end EXIT

as_amy() {
    setpriv --reuid=$id --regid=$id --clear-groups env -i HOME="$home" USER=amy LANG=C.UTF-8 \
        PATH="$home/.local/bin:/usr/bin:/bin" XDG_RUNTIME_DIR="$run" "$@"
}
(
    echo 0 > "$group/manager/cgroup.procs"
    as_amy SYSTEMD_LOG_TARGET=console /lib/systemd/systemd --user > /run/manager 2>&1
) &
for _ in $(seq 100); do
    as_amy systemctl --user show --property=Version > /dev/null 2>&1 && break
    sleep 0.1
done
as_amy systemctl --user show --property=Version > /dev/null || { cat /run/manager; exit 77; }

step() {
    echo "== $*"
    as_amy "$@" 2>&1
}
value='a 50%h "$USER" \n it'"'s"
step NO_PROXY="$value" bastionctl service install || {
    as_amy systemctl --user status --no-pager bastiond || true
    exit 1
}
pid=$(as_amy systemctl --user show --property=MainPID --value bastiond.service)
echo "value kept: $(tr '\0' '\n' < "/proc/$pid/environ" | grep -Fxc "NO_PROXY=$value")"
step bastionctl service status
step bastionctl status
echo "mode of the socket: $(stat -c %a "$run/bastiond/control.sock")"
step bastionctl service restart
step bastionctl service stop
step bastionctl status || echo "exit $?"
step bastionctl service start
step bastionctl service uninstall
step bastionctl service status || echo "exit $?"
echo "left: $(cd "$home/.config" && find . ! -type d | sort | tr '\n' ' ')"
