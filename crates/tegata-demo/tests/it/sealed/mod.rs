//! Sealed orders with the real programs: what somebody sees who listens on every wire, or who copies
//! every file.

mod capture;
mod dumps;
mod odd;
mod shops;
mod street;
mod trace;
mod wire;
