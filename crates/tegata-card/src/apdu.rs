//! Commands and answers as they stand on the wire (ISO 7816-4, short form), and what the status
//! words say.

/// A command: header and data. Le, if any, is always "as much as there is".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Class: 04 set says that secure messaging is used.
    pub cla: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// 0 to 255 bytes.
    pub data: Vec<u8>,
}

impl Command {
    /// A command; at most 255 bytes of data fit, more can't be sent.
    #[must_use]
    pub fn new(cla: u8, ins: u8, p1: u8, p2: u8, data: &[u8]) -> Self {
        let data = data.to_vec();
        Self {
            cla,
            ins,
            p1,
            p2,
            data,
        }
    }

    /// The header without Lc.
    #[must_use]
    pub const fn header(&self) -> [u8; 4] {
        [self.cla, self.ins, self.p1, self.p2]
    }

    /// The bytes to send: header, Lc and data if there are any, Le 00. `None` if the data are too
    /// long for the short form.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let length = u8::try_from(self.data.len()).ok()?;
        let mut bytes = self.header().to_vec();
        if length > 0 {
            bytes.push(length);
            bytes.extend_from_slice(&self.data);
        }
        bytes.push(0);
        Some(bytes)
    }

    /// Reads a command in any of the four short forms.
    ///
    /// # Errors
    /// [`Status::WRONG_LENGTH`], if it's none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let Some(([cla, ins, p1, p2], body)) = bytes.split_first_chunk::<4>() else {
            return Err(Status::WRONG_LENGTH);
        };
        let data = match body {
            [] | [_] => &[][..],
            [length, rest @ ..] => match rest.split_at_checked(usize::from(*length)) {
                Some((data, [] | [_])) if *length > 0 => data,
                Some(_) | None => return Err(Status::WRONG_LENGTH),
            },
        };
        Ok(Self::new(*cla, *ins, *p1, *p2, data))
    }
}

/// A status word. Those of 62xx and 63xx come with a MAC inside a session; all others but 9000 come
/// bare, so that whoever relays them can forge them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(u16);

impl Status {
    /// Done.
    pub const OK: Self = Self(0x9000);
    /// There's no such record.
    pub const NO_RECORD: Self = Self(0x6282);
    /// The card is blocked.
    pub const BLOCKED: Self = Self(0x6283);
    /// The cryptogram was wrong.
    pub const NOT_AUTHENTICATED: Self = Self(0x6300);
    /// The balance is too small.
    pub const INSUFFICIENT: Self = Self(0x6311);
    /// More than one debit may take.
    pub const OVER_DEBIT_LIMIT: Self = Self(0x6312);
    /// Another transaction's turn.
    pub const WRONG_COUNTER: Self = Self(0x6313);
    /// The transaction before hasn't been confirmed.
    pub const UNRATIFIED: Self = Self(0x6314);
    /// More than may be debited offline in all.
    pub const OVER_OFFLINE_LIMIT: Self = Self(0x6315);
    /// What is to be debited isn't what was shown (VIEW).
    pub const NOT_AS_VIEWED: Self = Self(0x6316);
    /// The balance would exceed what the card may hold.
    pub const OVER_BALANCE_LIMIT: Self = Self(0x6317);
    /// The ticket was punched before.
    pub const PUNCHED: Self = Self(0x6318);
    /// The slot holds no ticket.
    pub const NO_TICKET: Self = Self(0x6319);
    /// The slot holds another ticket.
    pub const SLOT_IN_USE: Self = Self(0x631b);
    /// The amount is zero or can't be.
    pub const WRONG_AMOUNT: Self = Self(0x631a);
    /// The memory is damaged.
    pub const MEMORY_FAILURE: Self = Self(0x6581);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Not without a session, or not in one of this role.
    pub const SECURITY_STATUS: Self = Self(0x6982);
    /// Not now.
    pub const CONDITIONS: Self = Self(0x6985);
    /// The command's MAC or encryption was wrong; the session is over.
    pub const WRONG_PROTECTION: Self = Self(0x6988);
    /// The data can't be.
    pub const WRONG_DATA: Self = Self(0x6a80);
    /// No such application.
    pub const NOT_FOUND: Self = Self(0x6a82);
    /// No such key.
    pub const NO_KEY: Self = Self(0x6a88);
    /// No such slot, part or operation.
    pub const WRONG_PARAMETERS: Self = Self(0x6b00);
    /// No such instruction.
    pub const NO_INSTRUCTION: Self = Self(0x6d00);
    /// No such class.
    pub const NO_CLASS: Self = Self(0x6e00);

    /// Whatever stands on the wire.
    #[must_use]
    pub const fn from_wire(bytes: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(bytes))
    }

    /// The two bytes.
    #[must_use]
    pub const fn wire(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Does it bear a MAC inside a session (SCP03: 9000, 62xx, 63xx)?
    #[must_use]
    pub const fn is_protected(self) -> bool {
        matches!(self.0, 0x9000 | 0x6200..=0x63ff)
    }
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Status({self})")
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// An answer cut in data and status, or `None` if it's shorter than a status.
#[must_use]
pub fn split_answer(answer: &[u8]) -> Option<(&[u8], Status)> {
    let (data, status) = answer.split_last_chunk::<2>()?;
    Some((data, Status::from_wire(*status)))
}
