//! Points of P-256 as TLS and X.509 write them.

use p256::elliptic_curve::point::AffineCoordinates;
use p256::{AffinePoint, FieldBytes, PublicKey};

/// Bytes of an uncompressed point: a tag and two coordinates.
pub(crate) const LEN: usize = 65;
/// The tag of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// Reads an uncompressed point and checks that it lies on the curve. TLS 1.3 allows no other form (RFC 8446 §4.2.8.2),
/// and certificates use none.
pub(crate) fn decode(bytes: &[u8]) -> Option<PublicKey> {
    let bytes: &[u8; LEN] = bytes.try_into().ok()?;
    let [UNCOMPRESSED, coordinates @ ..] = bytes else { return None };
    let (x, y) = coordinates.split_at(32);
    let point = AffinePoint::from_coordinates(&FieldBytes::try_from(x).ok()?, &FieldBytes::try_from(y).ok()?);
    PublicKey::from_affine(Option::from(point)?).ok()
}
