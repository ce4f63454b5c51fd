# Run by root inside a fresh Debian: what a cloud's image sets up before its first start. Arguments:
# the UUID of the root file system, the public key of who may log in.
set -eu
uuid=$1
key=$2

echo "UUID=$uuid / ext4 errors=remount-ro 0 1" > /etc/fstab
echo "UUID=5343-00DB /boot/efi vfat defaults 0 1" >> /etc/fstab
mkdir -p /boot/efi
echo debian > /etc/hostname
printf '127.0.0.1 localhost debian\n' > /etc/hosts

printf '[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n' > /etc/systemd/network/10-dhcp.network
systemctl enable systemd-networkd > /dev/null 2>&1
# Nobody waits for the network, and nothing is done by the clock while a test looks.
systemctl disable systemd-networkd-wait-online apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer > /dev/null 2>&1 || true

useradd --create-home --shell /bin/bash admin
mkdir -m 0700 /home/admin/.ssh
echo "$key" > /home/admin/.ssh/authorized_keys
chown -R admin:admin /home/admin/.ssh
echo 'admin ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/admin
chmod 0440 /etc/sudoers.d/admin

mkdir -p /etc/default/grub.d
cat > /etc/default/grub.d/cloud.cfg << 'END'
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --speed=115200"
END

cat > /first-start << 'END'
#!/bin/sh
# The first start, in place of init.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount -t proc proc /proc
mount -t sysfs sysfs /sys
rm /first-start
mkfs.vfat -i 534300DB /dev/vda2 && mount /boot/efi &&
    grub-install --target=i386-pc /dev/vda &&
    grub-install --target=x86_64-efi --no-nvram --force-extra-removable &&
    update-grub && umount /boot/efi && echo "first start: done"
sync
echo o > /proc/sysrq-trigger
sleep 60
END
chmod 0755 /first-start
apt-get clean
