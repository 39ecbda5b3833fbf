//! Everything beside money: first keys, states, limits, key changes, tickets.
