/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads: the kernel's interfaces that its Rust crate does not bind. */
#include <linux/devcoredump.h>
#include <linux/io.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/remoteproc.h>
#include <linux/rsc_table.h>
#include <linux/tee.h>
#include <linux/tee_drv.h>
