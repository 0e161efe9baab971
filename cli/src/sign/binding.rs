//! What a signature binds the firmware to, from the options and from the files themselves.

use std::path::{Path, PathBuf};

use rproc_abi::Refusal;
use rproc_abi::refusal::{Place, Reason};
use rproc_image::{BoundResourceTable, BuildError, ContainerBuilder, Target, TlvKind};

use crate::failure::Refused;
use crate::load_plan::needs_boot_address;
use crate::sign::survey::{PlacedSection, Survey};
use crate::sign::values::TargetName;
use crate::text::{Fields, address, size};

/// What the person who signs has to say.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The processor it is for.
    pub target: Option<TargetName>,
    /// Its version for protection against rollback.
    pub counter: u32,
    /// Where its vector table is.
    pub boot_address: Option<u32>,
}

/// Where the boot address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootAddress {
    /// From the command line.
    Given(u32),
    /// The load address of this section.
    Found(PlacedSection),
}

impl BootAddress {
    /// The device address.
    pub fn address(&self) -> u32 {
        match self {
            Self::Given(address) => *address,
            Self::Found(section) => section.load_address,
        }
    }
}

/// All that is bound besides the segments and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    target: Option<TargetName>,
    counter: u32,
    /// Where it boots from; `None` when nobody says and the processor needs none.
    pub boot_address: Option<BootAddress>,
    /// The resource table; `None` binds that there is none.
    pub resource_table: Option<PlacedSection>,
}

impl Binding {
    /// Puts wishes and findings together.
    ///
    /// # Errors
    /// [`Reason::MissingBootAddress`], [`Reason::BootAddressOutside`], [`Reason::BootAddressAlignment`].
    pub fn of(wishes: Wishes, survey: &Survey) -> Result<Self, Refused> {
        let processor = wishes.target.as_ref().map(|target| target.processor);
        let found = || survey.vector_table.clone().map(BootAddress::Found);
        let boot_address = wishes.boot_address.map(BootAddress::Given).or_else(found);
        match &boot_address {
            Some(boot) => survey.plan.check_boot_address(boot.address(), processor)?,
            None if needs_boot_address(processor) => {
                let at = Place::Tlv { kind: TlvKind::BOOT_ADDRESS.0 };
                return Err(Refusal::new(Reason::MissingBootAddress).at(at).into());
            }
            None => {}
        }
        Ok(Self {
            target: wishes.target,
            counter: wishes.counter,
            boot_address,
            resource_table: survey.resource_table.clone(),
        })
    }

    /// Hands everything to the builder.
    ///
    /// # Errors
    /// None in practice: the values were checked when they were typed or found.
    pub fn apply(
        &self,
        builder: &mut ContainerBuilder<'_>,
        fingerprint: &[u8; 32],
    ) -> Result<(), BuildError> {
        if let Some(boot) = &self.boot_address {
            builder.boot_address(boot.address());
        }
        if let Some(target) = &self.target {
            builder.target(Target::new(target.processor.0, &target.soc)?);
        }
        builder.security_counter(self.counter);
        builder.resource_table(match &self.resource_table {
            Some(table) => BoundResourceTable::At { address: table.load_address, size: table.size },
            None => BoundResourceTable::Absent,
        })?;
        builder.bind_elf_metadata();
        builder.key_fingerprint(fingerprint);
        Ok(())
    }

    /// Describes it; `files` are the names of the ELF files.
    pub fn describe(&self, files: &[PathBuf], fields: &mut Fields) {
        match &self.target {
            Some(target) => fields.add("target", target),
            None => fields.add("target", "not bound: any processor may load it (--target binds it)"),
        }
        fields.add("counter", self.counter);
        let name = |section: &PlacedSection| {
            let file = files.get(section.image).map(PathBuf::as_path).unwrap_or(Path::new("?"));
            format!("section {} of {}", section.name, file.display())
        };
        match &self.boot_address {
            Some(BootAddress::Given(given)) => {
                fields.add("boot address", format!("{}, as given", address(*given)))
            }
            Some(BootAddress::Found(section)) => {
                fields.add("boot address", format!("{}, {}", address(section.load_address), name(section)))
            }
            None => fields.add("boot address", "not bound: no vector table found (--boot-address binds it)"),
        }
        match &self.resource_table {
            None => fields.add("resource table", "none, which is bound"),
            Some(table) => {
                let (at, size) = (address(table.load_address), size(table.size.into()));
                fields.add("resource table", format!("{at}, {size}, {}", name(table)));
                if u64::from(table.load_address) != table.link_address {
                    fields.more(format!(
                        "note: linked at {}: what the host writes after the start does not reach a copy there",
                        address(table.link_address)
                    ));
                }
            }
        }
        fields.add("ELF metadata", "bound: headers and section names of every file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_elf::ElfFile;
    use rproc_elf::testing::ElfBuilder;

    fn bind(elf: ElfBuilder, wishes: Wishes) -> Result<Binding, &'static str> {
        let bytes = elf.build();
        let survey = Survey::of(&[ElfFile::parse(&bytes).unwrap()]).unwrap();
        Binding::of(wishes, &survey).map_err(|refused| refused.reason)
    }

    fn wishes(target: &str, boot_address: Option<u32>) -> Wishes {
        Wishes { target: Some(target.parse().unwrap()), boot_address, ..Wishes::default() }
    }

    #[test]
    fn a_given_boot_address_goes_before_a_found_one() {
        let elf = || ElfBuilder::elf32().vectors(0x8010_0000, &[0; 0x200]);
        let boot = |wishes| bind(elf(), wishes).map(|binding| binding.boot_address.unwrap().address());
        assert_eq!(boot(Wishes::default()), Ok(0x8010_0000));
        assert_eq!(boot(wishes("x:m33", Some(0x8010_0100))), Ok(0x8010_0100));
        assert_eq!(boot(wishes("x:m33", Some(0x8010_0104))), Err("boot-address-alignment"));
        assert_eq!(boot(wishes("x:m33", Some(0x8020_0000))), Err("boot-address-outside"));
    }

    #[test]
    fn only_the_m33_needs_one() {
        let elf = || ElfBuilder::elf32().load(0x8010_0000, &[0; 16]);
        assert_eq!(bind(elf(), wishes("x:m33", None)), Err("missing-boot-address"));
        assert_eq!(bind(elf(), wishes("x:m4", None)).unwrap().boot_address, None);
        assert_eq!(bind(elf(), Wishes::default()).unwrap().boot_address, None);
    }
}
