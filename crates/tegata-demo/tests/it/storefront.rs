//! The storefront as customers see it: every page in a real browser, in both languages, on phone and
//! desktop, by day and by night. The pictures stay below the target folder.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tegata_demo::{
    processes::Programs,
    town::{Limits, Town},
};

#[test]
#[ignore = "needs TEGATA_CHROMIUM and every program built: run cargo xtask test"]
fn everybody_can_use_the_storefront_and_nobody_else_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let town = folder.path().join("town");
    let beside = Path::new(env!("CARGO_BIN_EXE_tegata-demo"))
        .parent()
        .unwrap();
    let programs = Programs::within(beside.to_owned());
    let mut town = Town::found(programs, town, Limits::Off).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = runtime.block_on(async {
        let sealing = town.apply("sealing", "Key Handler").unwrap();
        town.open_sealing(&sealing).unwrap();
        let shop = town.apply("shop", "Hanamizuki Books").unwrap();
        town.open_shop(&shop).await.unwrap();
        tegata_demo::sealed::wait_for_keys(&town).unwrap();
        tokio::task::spawn_blocking({
            let (shop, sealing) = (town.shop_address(), town.sealing_address());
            move || walk(&shop.unwrap(), &sealing.unwrap())
        })
        .await
        .unwrap()
    });
    assert_eq!(told["found"], json!([]), "axe");
    assert_eq!(told["wide"], json!([]), "wider than the window");
    assert_eq!(told["small"], json!([]), "smaller than 24 pixels");
    let hosts: Vec<&str> = told["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_str)
        .collect();
    let ours = |host: &&str| host.contains(".localhost:") || ["data", "blob"].contains(host);
    assert!(hosts.iter().all(ours), "{hosts:?}");
    assert_eq!(told["statuses"].as_array().unwrap().len(), 4);
    town.close();
}

fn walk(shop: &str, sealing: &str) -> Value {
    let pictures = concat!(env!("CARGO_TARGET_TMPDIR"), "/screenshots");
    fs::create_dir_all(pictures).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/storefront.mjs");
    let output = Command::new("node")
        .args([script, shop, sealing, pictures])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = text
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok());
    told.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}
