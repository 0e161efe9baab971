//! OP-TEE's own headers, as its core is compiled: the only source of structures and constants.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Where the core's sources and its configured build are.
pub struct Core {
    source: PathBuf,
    output: PathBuf,
    /// Flags for a C compiler, those that `core/core.mk` gives.
    flags: Vec<String>,
    compiler: String,
}

/// The section in which the core looks for pseudo-TAs; `src/head.rs` names it too.
const SECTION: &str = ".scattered_array_pseudo_tas_1_0";

fn folder(variable: &str, what: &str) -> Result<PathBuf> {
    println!("cargo::rerun-if-env-changed={variable}");
    let value = std::env::var_os(variable).with_context(|| format!("set {variable} to {what}"))?;
    let path = PathBuf::from(value);
    if !path.is_absolute() || !path.is_dir() {
        bail!("{variable} is {}, which is not {what}: give an absolute path", path.display());
    }
    Ok(path)
}

impl Core {
    /// From `OPTEE_SRC`, `OPTEE_OUT` and `CROSS_COMPILE`.
    pub fn from_environment() -> Result<Self> {
        let source = folder("OPTEE_SRC", "the source tree of OP-TEE")?;
        let output = folder("OPTEE_OUT", "the folder that OP-TEE is built in (its O=)")?;
        println!("cargo::rerun-if-env-changed=CROSS_COMPILE");
        let prefix = std::env::var("CROSS_COMPILE").unwrap_or_else(|_| "aarch64-linux-gnu-".to_owned());
        let mut core = Self { source, output, flags: Vec::new(), compiler: format!("{prefix}gcc") };
        core.flags = core.compose_flags()?;
        Ok(core)
    }

    fn compose_flags(&self) -> Result<Vec<String>> {
        let conf = self.output.join("include/generated/conf.h");
        let settings = self.output.join("conf.mk");
        for file in [&conf, &settings] {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        let text = std::fs::read_to_string(&settings).with_context(|| {
            format!("{} is missing: configure OP-TEE first, by building it once", settings.display())
        })?;
        let setting = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .with_context(|| format!("{} does not set {name}", settings.display()))
        };
        if setting("CFG_ARM64_core")? != "y" {
            bail!("{} is for a 32-bit core: this library is for CFG_ARM64_core=y", settings.display());
        }
        // `.cargo/config.toml` turns strict-align off.
        if setting("CFG_SCTLR_ALIGNMENT_CHECK")? != "n" {
            bail!(
                "{} traps unaligned accesses, which this library makes: build OP-TEE with CFG_SCTLR_ALIGNMENT_CHECK=n, or remove \
                 -strict-align from secure/optee/pta/.cargo/config.toml and this check",
                settings.display()
            );
        }
        println!("cargo::rustc-check-cfg=cfg(user_memory_accessible)");
        if setting("CFG_PAN")? == "n" {
            println!("cargo::rustc-cfg=user_memory_accessible");
        }
        let (arch, platform, level) =
            (setting("ARCH")?, setting("PLATFORM")?, setting("CFG_TEE_CORE_LOG_LEVEL")?);
        // Types such as size_t come from the compiler that compiles the core.
        let own = self.run(&["-print-file-name=include"])?;
        let mut flags: Vec<String> =
            ["-std=gnu11", "-nostdinc", "-isystem", own.trim(), "-D__KERNEL__", "-DARM64=1"]
                .map(str::to_owned)
                .into();
        flags.push(format!("-DTRACE_LEVEL={level}"));
        flags.extend(["-include".to_owned(), conf.display().to_string()]);
        for folder in [
            "lib/libutils/isoc/include".to_owned(),
            "lib/libutils/ext/include".to_owned(),
            "lib/libutee/include".to_owned(),
            "core/include".to_owned(),
            "ldelf/include".to_owned(),
            format!("core/arch/{arch}/include"),
            format!("core/arch/{arch}/plat-{platform}"),
        ] {
            flags.push(format!("-I{}", self.source.join(folder).display()));
        }
        flags.push(format!("-I{}", self.output.join("core/include").display()));
        Ok(flags)
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let done =
            Command::new(&self.compiler).args(&self.flags).args(arguments).output().with_context(|| {
                format!("{} does not start: install it, or set CROSS_COMPILE to your prefix", self.compiler)
            })?;
        if !done.status.success() {
            bail!("{} failed:\n{}", self.compiler, String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8(done.stdout)?)
    }

    /// The headers register a pseudo-TA by putting its head in the section that this library uses.
    pub fn check_registration(&self) -> Result<()> {
        let header = own_file("include/registration.h");
        let text = self.run(&["-E", "-P", &header])?;
        // The name is a row of string literals.
        if text.replace("\" \"", "").contains(&format!("\"{SECTION}\"")) {
            return Ok(());
        }
        bail!(
            "this OP-TEE registers pseudo-TAs in another section than {SECTION}: see core/include/scattered_array.h"
        )
    }

    /// The structures, functions and constants that this library uses.
    pub fn bindings(&self) -> Result<bindgen::Bindings> {
        bindgen::builder()
            .header(own_file("include/core.h"))
            .clang_args(&self.flags)
            .clang_args(["--target=aarch64-linux-gnu", "-ffreestanding"])
            .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
            .rust_edition(bindgen::RustEdition::Edition2024)
            .wrap_unsafe_ops(true)
            .use_core()
            .generate_comments(false)
            .prepend_enum_name(false)
            .allowlist_recursively(true)
            .allowlist_type("pseudo_ta_head|TEE_UUID|TEE_Param|rproc_pta_key_info")
            .opaque_type("user_mode_ctx|thread_specific_data|ts_ops|crypto_ecc_public_ops|bignum")
            .allowlist_function(
                "ts_get_calling_session|is_user_ta_ctx|check_user_access|copy_(from|to)_user|trace_printf|__do_panic",
            )
            .allowlist_function("core_mmu_(add|remove)_mapping|dcache_clean(inv)?_range")
            .allowlist_function("crypto_hash_(alloc_ctx|free_ctx|init|update|final)")
            .allowlist_function("crypto_acipher_(alloc|free)_(rsa|ecc)_public_key|crypto_bignum_bin2bn")
            .allowlist_function("crypto_acipher_(rsassa|ecc)_verify")
            .allowlist_var("MEM_AREA_(RAM|IO)_N?SEC|mapping_granule|TRACE_(INFO|ERROR)")
            .allowlist_var("TEE_(SUCCESS|ERROR_.*|PARAM_TYPE_.*|NUM_PARAMS)|TEE_LOGIN_.*")
            .allowlist_var("TEE_ALG_(SHA256|ECDSA_SHA256|RSASSA_PKCS1_V1_5_SHA256)")
            .allowlist_var("TEE_TYPE_ECDSA_PUBLIC_KEY|TEE_ECC_CURVE_NIST_P256")
            .allowlist_var("PTA_(RPROC|REMOTEPROC)_.*|flags_of_a_pseudo_ta|format_elf|protection_hash_table")
            .allowlist_var("uuid_.*|TEE_MEMORY_ACCESS_(READ|ANY_OWNER)")
            .generate()
            .context("OP-TEE's headers could not be read")
    }
}

fn own_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    println!("cargo::rerun-if-changed={}", path.display());
    path.display().to_string()
}
