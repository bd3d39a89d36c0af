#!/bin/sh
# Makes a stand-in for Lambda's base image of this machine's own files, for where no registry can be
# reached. It holds a shell, what SAM's image needs of one, the C library and certificates; functions
# bring the rest. Usage: base-image.sh NAME:TAG
set -eu
image=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

put() {
    install -D "$(readlink -f "$1")" "$root$2"
}

mkdir -p "$root/tmp" "$root/var/task" "$root/var/runtime" "$root/bin"
chmod 1777 "$root/tmp"
for program in sh cat chmod cp ls mkdir mv rm; do
    path=$(command -v "$program")
    put "$path" "/bin/$program"
    ldd "$path" | grep -o '/[^ ]*' | while read -r library; do put "$library" "$library"; done
done
for library in libc.so.6 libgcc_s.so.1 libm.so.6; do
    path=$(ldconfig -p | awk -v name="$library" '$1 == name && /x86-64|AArch64/ { print $NF; exit }')
    put "$path" "$path"
done
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    put /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
fi

tar -C "$root" -c . | docker import \
    --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' \
    --change 'WORKDIR /var/task' - "$image"
