//! What is decided when the TA is built: its flags and sizes, its policy, and who may open it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use optee_utee_build::{Builder, LinkerType, TaConfig};
use uuid::{Uuid, uuid};

/// `rproc_abi::Uuid::REMOTEPROC_TA`.
const TA: &str = "80a4c275-0a47-4905-8285-1486a9771a08";
/// The namespace of Linux's client UUIDs (`drivers/tee/tee_core.c`, `tee_client_uuid_ns`).
const LINUX_CLIENTS: Uuid = uuid!("58ac9ca0-2086-4683-a1b8-ec4bc08e01b6");

// Flags of `lib/libutee/include/user_ta_header.h`.
const SINGLE_INSTANCE: u32 = 1 << 2;
const MULTI_SESSION: u32 = 1 << 3;
const INSTANCE_KEEP_ALIVE: u32 = 1 << 4;
const DEVICE_ENUM: u32 = 1 << 9;
const DEVICE_ENUM_SUPP: u32 = 1 << 10;

/// Bytes of heap. Measured with `heap-report`: a bound image of 3 segments takes 2 KiB, one of 100 takes 25 KiB, a search
/// for a resource table 10 KiB; an image that needs more is refused with `TEE_ERROR_OUT_OF_MEMORY`.
const HEAP: u32 = 64 * 1024;
/// Bytes of stack. Measured by painting it: loads, refusals and dumps go 8.5 KiB deep.
const STACK: u32 = 16 * 1024;

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let enumeration = match variable("RPROC_TA_ENUMERATION", "always")?.as_str() {
        "always" => DEVICE_ENUM,
        "supplicant" => DEVICE_ENUM_SUPP,
        "never" => 0,
        other => bail!("RPROC_TA_ENUMERATION is {other:?}: give always, supplicant or never"),
    };
    let policy = match variable("RPROC_TA_POLICY", "strict")?.as_str() {
        "strict" => "Strict",
        "compatible" => "Compatible",
        other => bail!("RPROC_TA_POLICY is {other:?}: give strict or compatible"),
    };
    let groups = groups(&variable("RPROC_TA_CLIENTS", "kernel")?)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("choices.rs"), choices(policy, &groups)?).context("cannot write choices.rs")?;

    if std::env::var("CARGO_CFG_TARGET_ARCH")? != "aarch64" {
        bail!(
            "a TA is built for OP-TEE: build in secure/optee/ta, whose .cargo/config.toml names the target"
        );
    }
    println!("cargo:rerun-if-env-changed=TA_DEV_KIT_DIR");
    std::env::var("TA_DEV_KIT_DIR").context(
        "TA_DEV_KIT_DIR is not set: give OP-TEE's TA development kit, such as \
         /usr/lib/optee-os-dev/vexpress-qemu_armv8a of Debian's package optee-os-dev",
    )?;
    for argument in ["-nostdlib", "-nostartfiles"] {
        println!("cargo:rustc-link-arg={argument}");
    }
    let config = TaConfig::new_default_with_cargo_env(TA)
        .map_err(|error| anyhow::anyhow!("the TA's header: {error:?}"))?
        .ta_flags(SINGLE_INSTANCE | MULTI_SESSION | INSTANCE_KEEP_ALIVE | enumeration)
        .ta_data_size(HEAP)
        .ta_stack_size(STACK);
    Builder::new(config)
        .linker_type(LinkerType::Cc)
        .build()
        .map_err(|error| anyhow::anyhow!("the TA's header and linker script: {error:?}"))
}

/// A choice of the build's environment; cargo builds again when it changes.
fn variable(name: &str, default: &str) -> Result<String> {
    println!("cargo:rerun-if-env-changed={name}");
    match std::env::var(name) {
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotPresent) => Ok(default.to_owned()),
        Err(error) => Err(error).with_context(|| format!("{name} cannot be read")),
    }
}

/// The client UUIDs of the groups in a list such as `kernel,group:0,group:27`, as Linux makes them.
fn groups(clients: &str) -> Result<Vec<Uuid>> {
    let mut groups = Vec::new();
    let mut kernel = false;
    for client in clients.split(',') {
        if client == "kernel" {
            kernel = true;
        } else if let Some(number) =
            client.strip_prefix("group:").and_then(|number| number.parse::<u32>().ok())
        {
            groups.push(Uuid::new_v5(&LINUX_CLIENTS, format!("gid={number:x}").as_bytes()));
        } else {
            bail!(
                "RPROC_TA_CLIENTS has {client:?}: give kernel, and group:<number> for each group, between commas"
            );
        }
    }
    if !kernel {
        bail!("RPROC_TA_CLIENTS is {clients:?}: it must name kernel, which always has access");
    }
    Ok(groups)
}

/// The choices as Rust.
fn choices(policy: &str, groups: &[Uuid]) -> Result<String> {
    let mut text = format!("const POLICY: Policy = Policy::{policy};\nconst GROUPS: &[Uuid] = &[\n");
    for group in groups {
        writeln!(text, "    // {group}\n    Uuid::from_octets({:?}),", group.as_bytes())?;
    }
    text.push_str("];\n");
    Ok(text)
}
