/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads: the kernel's interfaces that its Rust crate does not bind. */
#include <linux/clk.h>
#include <linux/devcoredump.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqreturn.h>
#include <linux/mailbox_client.h>
#include <linux/mailbox_controller.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/pm_domain.h>
#include <linux/pm_runtime.h>
#include <linux/remoteproc.h>
#include <linux/rsc_table.h>
#include <linux/tee.h>
#include <linux/tee_drv.h>

/* Exported by the kernel, declared in drivers/remoteproc/remoteproc_internal.h, which its headers do not have. */
irqreturn_t rproc_vq_interrupt(struct rproc *rproc, int vq_id);
void rproc_resource_cleanup(struct rproc *rproc);
