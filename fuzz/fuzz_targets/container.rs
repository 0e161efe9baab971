//! Authenticates an arbitrary file with a verifier that accepts every signature, and reads all it claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rproc_image::{Metadata, SignatureAlgorithm, Verifier};

struct AnySignature;

impl Verifier for AnySignature {
    type Error = ();
    fn verify(&mut self, _: SignatureAlgorithm, _: &[u8], _: &[u8; 32], _: &[u8]) -> Result<(), ()> {
        Ok(())
    }
}

fuzz_target!(|file: &[u8]| {
    let Ok(metadata) = Metadata::of_file(file) else { return };
    let _ = (metadata.key_info(), metadata.claimed_key_fingerprint());
    let Ok(image) = metadata.authenticate::<sha2::Sha256, _>(&mut AnySignature) else { return };
    let mut end = image.layout().images.start;
    for (index, part) in image.images().enumerate() {
        assert_eq!(part.offset, end, "images follow each other");
        end += u64::from(part.size);
        assert_eq!(image.elf_metadata_digest(index).is_some(), image.elf_metadata_digest(0).is_some());
    }
    assert_eq!(end, file.len() as u64, "images fill the file");
    assert_eq!(image.hash_table().entries().count(), image.hash_table().len());
    assert!(image.platform_tlvs().all(|tlv| tlv.kind.is_platform()));
});
