//! One visit of a headless Chromium.

use std::process::Command;

use serde_json::{Value, json};

/// What happened in a visit.
pub(crate) struct Visit(pub(crate) Value);

impl Visit {
    /// Visits as the plan says.
    pub(crate) fn of(plan: &Value) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/drive.mjs");
        let output = Command::new("node")
            .args([script, &plan.to_string()])
            .output()
            .expect("node runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let told = text
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok());
        let failed = || panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
        let told: Value = told.unwrap_or_else(failed);
        assert!(told["error"].is_null(), "{told:#}");
        Self(told)
    }

    /// Fills in name and address and presses the button.
    pub(crate) fn ordering(url: &str) -> Self {
        Self::of(&json!({"url": url, "fill": filled()}))
    }

    pub(crate) fn code(&self) -> &str {
        self.0["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    /// Everything that left the browser, in one string: addresses, and bodies in hexadecimal.
    pub(crate) fn sent(&self) -> String {
        self.0["requests"].to_string()
    }
}

pub(crate) const NAME: &str = "Yamada Hanako";
pub(crate) const ADDRESS: &str = "1-2-3 Sakuragaoka, Kanazawa";

pub(crate) fn filled() -> Value {
    json!({"name": NAME, "address": ADDRESS})
}
