//! The address of an order's status page: its number, and a key that nobody can guess.
//!
//! The number alone is known to the sealing service too. The key follows from the number and a secret
//! of the shop's, so nothing needs to be stored.

use tegata_protocol::order::OrderId;

use tegata_party::keys::Keys;

/// The path of an order's status page on the shop's origin.
pub fn address(keys: &Keys, order: OrderId) -> String {
    format!("/orders/{order}?key={}", key(keys, order))
}

/// Does the key belong to the order?
pub fn opens(keys: &Keys, order: OrderId, given: &str) -> bool {
    let right = key(keys, order);
    // Compared in the same time wherever they differ.
    let differences = right
        .bytes()
        .zip(given.bytes())
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    right.len() == given.len() && differences == 0
}

fn key(keys: &Keys, order: OrderId) -> String {
    let digest = keys
        .derive(b"tegata order status v1", order.as_bytes())
        .to_string();
    digest.get(..32).unwrap_or(&digest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_its_own_order_only() {
        let keys = Keys::grow(&tegata_party::keys::Seeds::random());
        let (one, two) = (OrderId::from_bytes([1; 16]), OrderId::from_bytes([2; 16]));
        let address = address(&keys, one);
        let given = address.rsplit('=').next().unwrap();
        assert_eq!(given.len(), 32);
        assert!(opens(&keys, one, given));
        assert!(!opens(&keys, two, given));
        assert!(!opens(
            &Keys::grow(&tegata_party::keys::Seeds::random()),
            one,
            given
        ));
        assert!(!opens(&keys, one, &given[..31]) && !opens(&keys, one, ""));
    }
}
