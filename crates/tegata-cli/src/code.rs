//! The codes that programs end with, for scripts.

/// The codes our programs end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it failed, or was refused (a business answer).
    Refused,
    /// 2: wrong usage or wrong input; nothing was done.
    Usage,
    /// 3: a party can't be reached; try again later.
    Unreachable,
    /// 4: data of ours is damaged.
    Damaged,
    /// 130: interrupted.
    Interrupted,
}

impl Exit {
    /// The number the operating system sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Damaged => 4,
            Self::Interrupted => 130,
        }
    }
}
