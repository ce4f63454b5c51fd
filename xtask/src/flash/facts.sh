# Run by root on the host that is to be taken over: what it is, a fact a line, its name and its value.
# Nothing is changed. Argument: the disk to write to, by its device; none: the root file system's.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

fact() {
    printf '%s %s\n' "$1" "$(printf %s "$2" | tr '\n' ' ')"
}

# The block device a folder's file system is on. By its number: some systems call it /dev/root.
device_of() {
    path=$(readlink -f "/sys/dev/block/$(findmnt -no MAJ:MIN -T "$1" | head -n 1 | tr -d ' ')")
    [ ! -e "$path" ] || basename "$path"
}

# The whole disk of a block device; nothing for one that lies on no single disk (LVM, RAID, crypt).
disk_of() {
    path=$(readlink -f "/sys/class/block/$1")
    [ -n "$1" ] && [ -e "$path" ] || return
    [ ! -e "$path/partition" ] || path=${path%/*}
    [ -e "$path/device" ] && basename "$path"
}

# All drivers between a device and its bus.
drivers() {
    path=$(readlink -f "$1")
    while [ -n "$path" ] && [ "$path" != /sys ]; do
        [ ! -e "$path/driver" ] || basename "$(readlink "$path/driver")"
        path=${path%/*}
    done
}

fact name "$(hostname)"
fact system "$(. /etc/os-release; echo "$PRETTY_NAME")"
fact family "$(. /etc/os-release; echo "$ID $ID_LIKE")"
fact machine "$(uname -m)"
fact container "$(systemd-detect-virt --container 2> /dev/null)"
fact vendor "$(cat /sys/class/dmi/id/sys_vendor 2> /dev/null)"
fact boot_id "$(cat /proc/sys/kernel/random/boot_id)"
fact memory_kib "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"

if [ -d /sys/firmware/efi ]; then
    fact firmware UEFI
    # The variable's attributes are its first 4 bytes.
    fact secure_boot "$(od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-* 2> /dev/null)"
else
    fact firmware BIOS
fi

fact grub "$(grub-install --version 2> /dev/null)"
fact grub_reboot "$(command -v grub-reboot)"
fact grub_once "$(grep -c next_entry /boot/grub/grub.cfg 2> /dev/null)"
fact grub_custom "$(grep -c custom.cfg /boot/grub/grub.cfg 2> /dev/null)"
fact grub_file_system "$(grub-probe --target=fs /boot/grub 2> /dev/null)"
fact grub_abstraction "$(grub-probe --target=abstraction /boot/grub 2> /dev/null)"
fact boot_uuid "$(grub-probe --target=fs_uuid /boot 2> /dev/null)"
fact boot_path "$(grub-mkrelpath /boot 2> /dev/null)"
fact boot_options "$(findmnt -no OPTIONS -T /boot)"
fact boot_free_kib "$(df -Pk /boot | awk 'NR == 2 { print $4 }')"

boot_disk=$(disk_of "$(device_of /boot)")
root=$(device_of /)
root_disk=$(disk_of "$root")
disk=$root_disk
[ -z "$1" ] || disk=$(disk_of "$(basename "$(readlink -f "$1")")")
if [ "$disk" = "$root_disk" ]; then
    uuid=$(lsblk -dno UUID "/dev/$root")
    kind=$(findmnt -no FSTYPE /)
else
    # Any of its file systems tells a disk from the others.
    set -- $(lsblk -rno UUID,FSTYPE "/dev/$disk" 2> /dev/null | awk '$2 ~ /^ext[234]$/')
    uuid=$1
    kind=$2
fi
fact boot_disk "$boot_disk"
fact disk "$disk"
fact disk_uuid "$uuid"
fact disk_file_system "$kind"
fact disk_namesakes "$(lsblk -rno UUID | grep -cx -- "$uuid")"
fact disk_bytes "$(($(cat "/sys/class/block/$disk/size" 2> /dev/null || echo 0) * 512))"
fact disk_drivers "$(drivers "/sys/class/block/$disk/device"; echo "$disk" | grep -o '^nvme')"

card=$(ip route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
fact card "$card"
fact card_drivers "$(drivers "/sys/class/net/$card/device")"
fact card_addresses "$(ip -4 -o addr show dev "$card" 2> /dev/null | awk '{ print $4 }')"
# An address with a lifetime is leased, and networkd and NetworkManager mark what a lease brought.
fact card_leased "$(ip -4 -o addr show dev "$card" 2> /dev/null | grep -c dynamic)"
fact card_route "$(ip route show default dev "$card" | grep -c 'proto dhcp')"
fact end yes
