//! A visit of a headless Chromium, as a script drives it.

use std::process::Command;

use serde_json::Value;

/// Runs the script and gives what it tells. A visit that went another way than planned panics.
pub(crate) fn driven(script: &str, plan: &Value) -> Value {
    let output = Command::new("node")
        .args([script, &plan.to_string()])
        .output();
    let output = output.expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.lines().last();
    let told = told.and_then(|line| serde_json::from_str(line).ok());
    let failed = || panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = told.unwrap_or_else(failed);
    assert!(told["error"].is_null(), "{told:#}");
    told
}
