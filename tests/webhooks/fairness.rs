//! Nobody waits for another's other side: not another tenant, not another webhook of the same one, not whoever starts runs.

use crate::stage::{Stage, events, received, taker, wait_for};
use harness::{Reply, Site};
use std::time::{Duration, Instant};

#[test]
fn receivers_that_never_answer_delay_nobody_else() {
    // Few places, so that those who are slow could take them all.
    let mut stage = Stage::new(&[("AMENDS_WEBHOOKS_REQUESTS_MAX", "8"), ("AMENDS_WEBHOOKS_TIMEOUT", "2s")]);
    let slow: Vec<_> = (0..3).map(|n| stage.tenant(&format!("slow{n}"))).collect();
    let silent = Site::start(|_| Reply::Silence);
    for tenant in &slow {
        for n in 0..6 {
            stage.hook(tenant, &format!("w{n}"), &silent.url("/"), &[]);
        }
        tenant.runs(5);
    }
    // Each was tried once, and is known to be slow from then on.
    for tenant in &slow {
        for n in 0..6 {
            tenant.wait_until(&format!("w{n}"), |shown| shown["failing"].is_object());
        }
    }
    let (prompt, site) = (stage.tenant("prompt"), taker());
    let born = prompt.told(None).last().cloned();
    stage.hook(&prompt, "w", &site.url("/"), &[]);
    for round in 0..10 {
        let begun = Instant::now();
        slow[0].runs(1);
        prompt.runs(1);
        wait_for(&site, || prompt.told(born.as_deref()).split_off(1));
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(1500), "round {round}: {took:?}, and a request to one that is silent takes 2 s");
    }
    // Neither do the prompt ones of the tenant itself.
    let own = taker();
    let born = slow[0].told(None).last().cloned();
    stage.hook(&slow[0], "own", &own.url("/"), &[]);
    slow[0].runs(1);
    wait_for(&own, || slow[0].told(born.as_deref()).split_off(1));
    stage.stop();
}

#[test]
fn a_tenant_hears_of_itself_only_and_nobody_else_sees_its_webhooks() {
    let mut stage = Stage::new(&[]);
    let (acme, globex) = (stage.tenant("acme"), stage.tenant("globex"));
    let (of_acme, of_globex) = (taker(), taker());
    stage.hook(&acme, "w", &of_acme.url("/a-secret-path"), &[]);
    stage.hook(&globex, "w", &of_globex.url("/"), &[]);
    std::thread::scope(|scope| {
        scope.spawn(|| acme.runs(20));
        scope.spawn(|| globex.runs(20));
    });
    for (tenant, site) in [(&acme, &of_acme), (&globex, &of_globex)] {
        tenant.wait_until("w", |shown| shown["records_behind"] == 0);
        assert!(received(site).len() > 60);
        assert!(site.arrived().iter().flat_map(events).all(|event| event["source"] == tenant.name.as_str()));
    }
    assert_eq!(globex.admin.get(&acme.at("webhooks/w")).problem(404), "not_found");
    // Whoever only looks on does not see the path, which may be a secret.
    let key = serde_json::json!({ "name": "looks", "role": "viewer" });
    let key = acme.admin.post(&acme.at("keys"), &key).expect(201);
    let viewer = stage.server().client(key["token"].as_str().expect("a token"));
    let seen = viewer.get(&acme.at("webhooks")).expect(200).to_string();
    assert!(!seen.contains("a-secret-path") && seen.contains(&format!("http://127.0.0.1:{}", of_acme.port())), "{seen}");
    assert!(acme.shown("w").to_string().contains("a-secret-path"));
    assert_eq!(viewer.ask("DELETE", &acme.at("webhooks/w"), &[], b"").problem(403), "not_allowed");
    stage.stop();
}
