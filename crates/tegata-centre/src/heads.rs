//! Signed heads of the chain: how the centre signs them, and how anybody with its public key reads them.

use tegata_ledger::Head;
use tegata_protocol::{SignedBytes, SigningKey, Unverified, VerifyingKey, record::ChainHead};

/// Reads a signed head of the chain.
///
/// # Errors
/// What is wrong with it.
pub fn read_head(signed: &[u8], receipts: &VerifyingKey) -> Result<Head, String> {
    let head = Unverified::<ChainHead>::parse(SignedBytes::new(signed.to_vec()));
    let head = head
        .map_err(|e| e.to_string())?
        .verify(receipts)
        .map_err(|e| e.to_string())?;
    let (committer, sequence) = (head.committer, head.sequence);
    Ok(Head {
        committer,
        sequence,
        hash: head.hash,
        time: head.time,
    })
}

/// Signs heads with the receipts key.
#[derive(Debug)]
pub struct ReceiptsSigner(pub SigningKey);

impl tegata_ledger::HeadSigner for ReceiptsSigner {
    fn sign(&self, head: &Head) -> Vec<u8> {
        let (committer, sequence) = (head.committer, head.sequence);
        let head = ChainHead {
            committer,
            sequence,
            hash: head.hash,
            time: head.time,
        };
        self.0.sign(&head).into_bytes()
    }

    fn read(&self, signed: &[u8]) -> Result<Head, String> {
        read_head(signed, &self.0.verifying_key())
    }
}
