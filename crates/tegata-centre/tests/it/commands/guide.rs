//! Figures 3 and 4, ① to ④: from the guide page to the application that waits at the desk (M1, M2).

use super::*;

#[test]
fn the_guide_leads_to_a_form_and_what_it_sends_waits_at_the_desk() {
    let live = Live::new();
    let get = |path: &str| {
        let mut client = Client::connect(live.server.socket()).unwrap();
        let answer = client.get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8(answer.body).unwrap()
    };
    let guide = get("/?lang=en");
    for link in ["/apply", "/terms", "/programs"] {
        assert!(guide.contains(&format!("href=\"{link}")), "{link}: {guide}");
    }
    let root = tegata_protocol::Digest::from_bytes(*live.folder.public.root.as_bytes());
    let shown: String = guide.split_whitespace().collect();
    assert!(shown.contains(&root.to_string()), "{guide}");

    let form = get("/apply?lang=en");
    assert!(form.contains("action=\"/apply\""), "{form}");
    for field in ["role", "name", "postal", "mail"] {
        assert!(form.contains(&format!("name=\"{field}\"")), "{field}");
    }
    for role in ["member", "shop"] {
        assert!(form.contains(&format!("value=\"{role}\"")), "{role}");
        let filled = format!("role={role}&name=Hanako+of+{role}&postal=1-2-3");
        apply_by_form(&live, filled.as_bytes());
    }
    let data = live.folder.data_text();
    let listed = json(&["applications", "list", "--data", &data, "--json"]);
    for (place, role) in ["member", "shop"].into_iter().enumerate() {
        let waiting = &listed[place];
        assert_eq!(waiting["role"], role);
        assert_eq!(waiting["name"], format!("Hanako of {role}"));
        assert!(waiting["number"].is_null(), "the desk decides: {waiting}");
    }
}
