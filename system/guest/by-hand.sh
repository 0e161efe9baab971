#!/bin/sh
# Firmware on the Cortex-M33 by hand, with nothing but Linux's own files: sh -x /by-hand.sh
set -e

# What udev would do on a Debian: the driver, the board's mailboxes, and RPMsg.
modprobe rproc_tee
modprobe -a rproc_ipcc virtio_rpmsg_bus rpmsg_ns rpmsg_char

# The number of a processor depends on who came first; its name does not.
cat /sys/class/remoteproc/*/name
m33=$(grep -lx m33 /sys/class/remoteproc/*/name)
m33=${m33%/name}

echo echo.img > "$m33/firmware"
echo start > "$m33/state"
cat "/sys/kernel/debug/remoteproc/${m33##*/}/trace0"

# The firmware announces a channel; rpmsg_char makes a file of it.
until channel=$(ls /sys/bus/rpmsg/devices | grep rproc-echo); do sleep 0.1; done
echo rpmsg_chrdev > "/sys/bus/rpmsg/devices/$channel/driver_override"
# Linux shows a channel before a driver may have it.
until [ -e "/sys/bus/rpmsg/devices/$channel/driver" ]; do
    echo "$channel" > /sys/bus/rpmsg/drivers/rpmsg_chrdev/bind || sleep 0.1
done
until [ -e /dev/rpmsg0 ]; do sleep 0.1; done

exec 3<>/dev/rpmsg0
echo hello >&3
head -n 1 <&3
exec 3>&-

echo stop > "$m33/state"
