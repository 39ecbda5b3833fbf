//! Who may ask what.
//!
//! A gate stands where thieves are. What is stolen with it, its key or its user on this machine,
//! can neither mint value nor forge a receipt, nor learn what is on a card: over its connection
//! tickets are read and punched, and nothing else.

use tegata_card_service::{JobId, Request, Task};

/// A kind of client. Which one it is, follows from the socket or the certificate that it came with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// The application server: all.
    Application,
    /// A gate: reading and punching tickets.
    Gate,
}

impl Client {
    /// May it ask that?
    pub(super) const fn may_ask(self, request: &Request) -> bool {
        match (self, request) {
            (Self::Application, _)
            | (
                Self::Gate,
                Request::Begin(_, _, Task::ReadTicket { .. } | Task::Punch { .. })
                | Request::Answer(..)
                | Request::Abandon(_),
            ) => true,
            (
                Self::Gate,
                Request::Begin(..)
                | Request::Order(..)
                | Request::Check(_)
                | Request::Card(_)
                | Request::Deny(_)
                | Request::Submit(_)
                | Request::Receipts(..)
                | Request::Find(_),
            ) => false,
        }
    }
}

/// The job that a request is about.
pub(super) const fn job_of(request: &Request) -> Option<JobId> {
    match request {
        Request::Begin(id, ..)
        | Request::Answer(id, _)
        | Request::Order(id, _)
        | Request::Abandon(id) => Some(*id),
        Request::Check(_)
        | Request::Card(_)
        | Request::Deny(_)
        | Request::Submit(_)
        | Request::Receipts(..)
        | Request::Find(_) => None,
    }
}
