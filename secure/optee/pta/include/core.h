/*
 * What the platform service takes from OP-TEE's core. bindgen reads this with the include paths and the configuration
 * of the core that the library will be linked to.
 */
#include <crypto/crypto.h>
#include <kernel/cache_helpers.h>
#include <kernel/panic.h>
#include <kernel/pseudo_ta.h>
#include <kernel/ts_manager.h>
#include <kernel/user_access.h>
#include <kernel/user_ta.h>
#include <mm/core_mmu.h>
#include <remoteproc_pta.h>
#include <tee_api_defines.h>
#include <trace.h>
#include <utee_defines.h>

/* Expressions that bindgen does not evaluate as macros. */
static const uint32_t flags_of_a_pseudo_ta = PTA_DEFAULT_FLAGS;
static const uint32_t format_elf = PTA_RPROC_HWCAP_FMT_ELF;
static const uint32_t protection_hash_table = PTA_RPROC_HWCAP_PROT_HASH_TABLE;
static const uint64_t mapping_granule = CORE_MMU_PGDIR_SIZE;
#define THE_UUID ((const TEE_UUID)PTA_RPROC_UUID)
#define NODE(n) ((uint64_t)THE_UUID.clockSeqAndNode[n] << (56 - 8 * (n)))
static const uint32_t uuid_time_low = THE_UUID.timeLow;
static const uint16_t uuid_time_mid = THE_UUID.timeMid;
static const uint16_t uuid_time_high = THE_UUID.timeHiAndVersion;
static const uint64_t uuid_node =
	NODE(0) | NODE(1) | NODE(2) | NODE(3) | NODE(4) | NODE(5) | NODE(6) | NODE(7);
