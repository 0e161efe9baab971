//! The built-in development key: known to everybody, so nothing that it signs is secure.

use crate::{KeyError, PrivateKey};

/// A fixed ECDSA P-256 key, so that a first run needs no set-up and its output is reproducible.
///
/// It is in this repository for everybody to read: a product must never trust it.
pub fn development_key() -> Result<PrivateKey, KeyError> {
    PrivateKey::from_file(include_bytes!("development.pem"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_can_be_read() {
        assert_eq!(super::development_key().unwrap().kind(), crate::KeyKind::P256);
    }
}
