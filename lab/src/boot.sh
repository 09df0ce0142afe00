# The first program of a run's namespace (see namespace.rs). $1 is the Wine root, $2 the run's folder; both are outside paths.
# Prints its process id as the outside sees it, then waits until its standard input ends, and all the run's programs with it;
# the word `stay` before the end makes it stay.
set -eu
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount --bind "$2" "$1/lab"
# The cached root is shared by all runs: what runs in here may be hostile and must not be able to change it.
mount -o remount,bind,ro "$1"
read -r pid _ </proc/self/stat
mount -t proc proc "$1/proc"
# The loop reaps what its parents left behind; the reader on descriptor 3 ends it. The id is printed only after the change of
# root: whoever enters takes over this process's root.
exec chroot "$1" /bin/sh -c '
    echo "$1"
    exec 3<&0 >/dev/null 2>&1
    trap "exit 0" TERM
    (while read -r word <&3; do [ "$word" = stay ] && exit; done; kill -TERM 1) &
    while :; do sleep 3600 & wait $!; done
' sh "$pid"
