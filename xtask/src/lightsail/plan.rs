//! The plan's text. Purpose: a shell script to be read and typed, in which nothing is left to be
//! guessed. Non-goal: a script to be run unread: what takes time is waited for by the reader.
//! Bound: some dozens of commands.

use serde_json::{json, Value};

use super::values::Bundle;
use super::wanted::Wanted;

/// Where viewers and publishers connect.
const RTMP: u16 = 1935;
const PAGE: u16 = 8080;
const STAT: u16 = 8081;
const UDP: u16 = 1234;
const SSH: u16 = 22;
/// Debian's own user on Lightsail's images.
const DEBIAN_USER: &str = "admin";
const BLUEPRINT: &str = "debian_12";
/// When the daily snapshot is taken, in UTC; Lightsail takes whole hours.
const SNAPSHOT_HOUR: &str = "04:00";
const EVERYBODY: &str = "0.0.0.0/0";

/// The whole plan.
pub fn text(wanted: &Wanted) -> String {
    let Wanted { place, name, bundle, .. } = wanted;
    let mut script = Script {
        region: place.region.clone(),
        text: format!(
            "# StreamCaster on Lightsail: {name} in {zone}, plan {bundle}.\n\
             # To be typed from top to bottom, in this project's folder. Nothing of it has been run.\n",
            zone = place.zone
        ),
    };
    account(&mut script, wanted);
    instance(&mut script, wanted);
    flash(&mut script, wanted);
    close(&mut script, wanted);
    snapshots(&mut script, wanted);
    drills(&mut script, wanted);
    if let Some(bigger) = bundle.bigger() {
        grow(&mut script, wanted, &bigger);
    }
    removal(&mut script, wanted);
    script.text
}

/// The text as it grows.
struct Script {
    region: String,
    text: String,
}

impl Script {
    fn part(&mut self, title: &str) {
        self.text += &format!("\n\n# == {title}\n");
    }

    /// A reason, in lines of the source, and what to type.
    fn step(&mut self, why: &str, command: &str) {
        self.text.push('\n');
        for line in why.lines() {
            self.text += &format!("# {line}\n");
        }
        self.text += command;
        self.text.push('\n');
    }

    /// A command of Lightsail's with its options, one a line.
    fn aws(&self, operation: &str, options: &[(&str, &str)]) -> String {
        let mut line = format!("aws lightsail {operation} --region {}", self.region);
        for (name, value) in options {
            let value = if value.is_empty() { String::new() } else { format!(" {}", word(value)) };
            line += &format!(" \\\n  --{name}{value}");
        }
        line
    }

    fn call(&mut self, why: &str, operation: &str, options: &[(&str, &str)]) {
        let command = self.aws(operation, options);
        self.step(why, &command);
    }

    /// The whole firewall: what is not named is closed.
    fn firewall(&mut self, why: &str, instance: &str, ports: &[Value]) {
        let lines: Vec<String> = ports.iter().map(Value::to_string).collect();
        let ports = format!("[{}]", lines.join(",\n    "));
        self.call(
            why,
            "put-instance-public-ports",
            &[("instance-name", instance), ("port-infos", &ports)],
        );
        self.call(
            "Nothing but these may be open:",
            "get-instance-port-states",
            &[
                ("instance-name", instance),
                ("query", "portStates[].[fromPort,protocol,state,cidrs[0]]"),
                ("output", "table"),
            ],
        );
    }

    fn wait_for(&mut self, instance: &str, state: &str) {
        let why = format!("Again until it says {state}:");
        self.call(
            &why,
            "get-instance-state",
            &[("instance-name", instance), ("query", "state.name"), ("output", "text")],
        );
    }

    fn snapshot(&mut self, why: &str, instance: &str, snapshot: &str) {
        self.call(
            why,
            "create-instance-snapshot",
            &[("instance-name", instance), ("instance-snapshot-name", snapshot)],
        );
        self.call(
            "Again until it says available, some minutes:",
            "get-instance-snapshot",
            &[
                ("instance-snapshot-name", snapshot),
                ("query", "instanceSnapshot.state"),
                ("output", "text"),
            ],
        );
    }
}

/// A word of the shell: as it is, or in single quotes. No value holds one of those.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@".contains(&byte);
    if text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{text}'")
}

fn port(protocol: &str, port: u16, from: &str) -> Value {
    json!({"fromPort": port, "toPort": port, "protocol": protocol, "cidrs": [from]})
}

/// The firewall as the appliance needs it.
fn ports(wanted: &Wanted) -> Vec<Value> {
    let admin = wanted.admin.to_string();
    let mut ports = vec![port("tcp", PAGE, &admin), port("tcp", RTMP, EVERYBODY)];
    if wanted.stat {
        ports.push(port("tcp", STAT, &admin));
    }
    if let Some(sender) = &wanted.udp {
        ports.push(port("udp", UDP, &sender.to_string()));
    }
    ports
}

fn account(script: &mut Script, wanted: &Wanted) {
    script.part("The account");
    script.step(
        "Says which account is used. Otherwise `aws configure` comes first, with the access key of\n\
         an IAM user that may use Lightsail.",
        "aws sts get-caller-identity",
    );
    script.call(
        "What the plan costs here in a month (USD), its memory and disk (GB), and what it may send\n\
         before more is charged (GB).",
        "get-bundles",
        &[
            (
                "query",
                &format!(
                    "bundles[?bundleId==`{}`].[bundleId,price,ramSizeInGb,diskSizeInGb,transferPerMonthInGb]",
                    wanted.bundle
                ),
            ),
            ("output", "table"),
        ],
    );
}

fn instance(script: &mut Script, wanted: &Wanted) {
    let Wanted { place, name, bundle, .. } = wanted;
    let bundle = bundle.to_string();
    script.part("The instance");
    let key = script.aws(
        "create-key-pair",
        &[("key-pair-name", name), ("query", "privateKeyBase64"), ("output", "text")],
    );
    script.step(
        "A key to log in with until the instance is flashed. AWS shows it this once.",
        &format!("{key} > {name}.pem\nchmod 600 {name}.pem"),
    );
    script.call(
        "A stock Debian: Lightsail takes no images of others, so the appliance takes its place.\n\
         IPv4 only, as the static address is: there is one firewall to keep right.",
        "create-instances",
        &[
            ("instance-names", name),
            ("availability-zone", &place.zone),
            ("blueprint-id", BLUEPRINT),
            ("bundle-id", &bundle),
            ("key-pair-name", name),
            ("ip-address-type", "ipv4"),
        ],
    );
    script.wait_for(name, "running");
    let address = format!("{name}-ip");
    script.call(
        "An address that outlives stopping, flashing and the instance itself. It is charged while\n\
         it belongs to no instance.",
        "allocate-static-ip",
        &[("static-ip-name", &address)],
    );
    script.call("", "attach-static-ip", &[("static-ip-name", &address), ("instance-name", name)]);
    let told = script.aws(
        "get-static-ip",
        &[("static-ip-name", &address), ("query", "staticIp.ipAddress"), ("output", "text")],
    );
    script.step("Commands below use it.", &format!("ADDRESS=$({told})\necho $ADDRESS"));
    let mut open = ports(wanted);
    open.insert(0, port("tcp", SSH, &wanted.admin.to_string()));
    let stat = if wanted.stat {
        "8081 is for you as well, once [stat] allow names your address.\n"
    } else {
        ""
    };
    let udp = match &wanted.udp {
        Some(_) => "1234 is for the one sender: UDP knows no password.",
        None => "1234 stays closed: UDP knows no password. Publish by RTMP with a key.",
    };
    let why = format!(
        "The firewall; this replaces all rules. 22 is for you, until the instance is flashed. 8080,\n\
         the page, is for you. 1935 is for viewers and publishers.\n{stat}{udp}"
    );
    script.firewall(&why, name, &open);
}

fn flash(script: &mut Script, wanted: &Wanted) {
    let Wanted { name, .. } = wanted;
    script.part("The appliance");
    script.snapshot(
        "The way back, should it not come up: there is no console to look at.",
        name,
        &format!("{name}-debian"),
    );
    let hash = format!(
        "cargo xtask dist\n\
         {{ echo '[http]'; target/dist/streamcaster hash-password; }} > {name}.toml"
    );
    script.step("The page's password; without one it would answer nobody.", &hash);
    if let Some(sender) = &wanted.udp {
        script.step(
            "Who may send over UDP; the program looks as well.",
            &format!("printf '[input.udp]\\nallow = [\"{sender}\"]\\n' >> {name}.toml"),
        );
    }
    let take_over = |more: &str| {
        format!(
            "cargo xtask flash $ADDRESS --user {DEBIAN_USER} --identity {name}.pem \\\n  \
             --config {name}.toml{more}"
        )
    };
    script.step("Every check, and no change.", &take_over(" --dry-run"));
    script.step("Debian is gone after this.", &take_over(""));
}

fn close(script: &mut Script, wanted: &Wanted) {
    script.part("On air");
    script.firewall("The appliance has no SSH: 22 is closed.", &wanted.name, &ports(wanted));
    let ask = format!("curl http://$ADDRESS:{PAGE}/api/health");
    script.step("Is it well? Then open the page, http://ADDRESS:8080.", &ask);
    script.step(
        "The standby card, as viewers see it.",
        &format!("ffplay rtmp://$ADDRESS:{RTMP}/live/stream"),
    );
}

/// The request for a snapshot a day.
fn daily() -> String {
    let when = json!({"snapshotTimeOfDay": SNAPSHOT_HOUR});
    json!({"addOnType": "AutoSnapshot", "autoSnapshotAddOnRequest": when}).to_string()
}

fn snapshots(script: &mut Script, wanted: &Wanted) {
    let Wanted { name, place, .. } = wanted;
    script.part("Snapshots");
    script.call(
        "Every day at that hour, UTC; the last seven are kept. Lightsail has no weekly ones.",
        "enable-add-on",
        &[("resource-name", name), ("add-on-request", &daily())],
    );
    script.call(
        "What there is:",
        "get-auto-snapshots",
        &[("resource-name", name), ("query", "autoSnapshots[].[date,status]"), ("output", "table")],
    );
    let why = format!(
        "Weekly instead, or to keep some longer: a line for crontab on a machine that is on at that\n\
         hour and has the AWS CLI (EventBridge Scheduler can make the same call, under a role of its\n\
         own). Nobody deletes these but you, and they are charged by the GB.\n\
         \x20  0 4 * * 1 aws lightsail create-instance-snapshot --region {region} --instance-name \
         {name} --instance-snapshot-name {name}-$(date +\\%F)\n\
         Those that are there:",
        region = place.region
    );
    script.call(
        &why,
        "get-instance-snapshots",
        &[("query", "instanceSnapshots[].[name,createdAt,sizeInGb]"), ("output", "table")],
    );
}

fn drills(script: &mut Script, wanted: &Wanted) {
    let Wanted { name, place, bundle, .. } = wanted;
    script.part("Drills");
    script.step(
        "The service: it ends politely and begins anew. Asks for the page's password.",
        &format!("curl -u admin -X POST http://$ADDRESS:{PAGE}/api/restart"),
    );
    script.call("The machine.", "reboot-instance", &[("instance-name", name)]);
    script.call(
        "The instance: stopped and started it may be on other hardware. The address stays.",
        "stop-instance",
        &[("instance-name", name)],
    );
    script.wait_for(name, "stopped");
    script.call("", "start-instance", &[("instance-name", name)]);
    let drill = format!("{name}-drill");
    script.call(
        "The storage: a second instance from last night's snapshot. It pushes to the same platforms:\n\
         do this off air, or with the destinations switched off.",
        "create-instances-from-snapshot",
        &[
            ("instance-names", &drill),
            ("availability-zone", &place.zone),
            ("source-instance-name", name),
            ("use-latest-restorable-auto-snapshot", ""),
            ("bundle-id", &bundle.to_string()),
            ("ip-address-type", "ipv4"),
        ],
    );
    script.wait_for(&drill, "running");
    script.firewall("Firewalls are not in snapshots.", &drill, &ports(wanted));
    script.call(
        "Its page is at this address:",
        "get-instance",
        &[("instance-name", &drill), ("query", "instance.publicIpAddress"), ("output", "text")],
    );
    script.call("", "delete-instance", &[("instance-name", &drill), ("force-delete-add-ons", "")]);
}

fn grow(script: &mut Script, wanted: &Wanted, bigger: &Bundle) {
    let Wanted { name, place, .. } = wanted;
    let (next, snapshot, address) =
        (format!("{name}-2"), format!("{name}-moved"), format!("{name}-ip"));
    script.part(&format!("A bigger plan: {bigger}"));
    script.snapshot(
        "A plan cannot be changed; a snapshot can become an instance of a bigger one. What is set\n\
         or uploaded after this is not in it.",
        name,
        &snapshot,
    );
    script.call(
        "Off air from here on: two machines would push to the same platforms.",
        "stop-instance",
        &[("instance-name", name)],
    );
    script.call(
        "/data grows to the larger disk when it starts.",
        "create-instances-from-snapshot",
        &[
            ("instance-names", &next),
            ("availability-zone", &place.zone),
            ("instance-snapshot-name", &snapshot),
            ("bundle-id", &bigger.to_string()),
            ("ip-address-type", "ipv4"),
        ],
    );
    script.wait_for(&next, "running");
    script.firewall("Firewalls are not in snapshots.", &next, &ports(wanted));
    script.call(
        "The address moves; encoders and viewers find it by themselves.",
        "detach-static-ip",
        &[("static-ip-name", &address)],
    );
    script.call("", "attach-static-ip", &[("static-ip-name", &address), ("instance-name", &next)]);
    script.call(
        "Nor are the daily snapshots.",
        "enable-add-on",
        &[("resource-name", &next), ("add-on-request", &daily())],
    );
    script.call(
        "When all is well; its daily snapshots go with it.",
        "delete-instance",
        &[("instance-name", name), ("force-delete-add-ons", "")],
    );
}

fn removal(script: &mut Script, wanted: &Wanted) {
    let Wanted { name, .. } = wanted;
    let address = format!("{name}-ip");
    script.part(&format!("Removing all of it (the instance is {name}, or {name}-2 by now)"));
    script.call("", "detach-static-ip", &[("static-ip-name", &address)]);
    script.call("", "release-static-ip", &[("static-ip-name", &address)]);
    script.call(
        "The daily snapshots go with it.",
        "delete-instance",
        &[("instance-name", name), ("force-delete-add-ons", "")],
    );
    script.call(
        "And any others that get-instance-snapshots tells.",
        "delete-instance-snapshot",
        &[("instance-snapshot-name", &format!("{name}-debian"))],
    );
    let key = script.aws("delete-key-pair", &[("key-pair-name", name)]);
    script.step("", &format!("{key}\nrm {name}.pem {name}.toml"));
}

#[cfg(test)]
mod tests {
    use super::super::{wanted, LightsailPlan};
    use super::*;

    fn plan(udp: Option<&str>, stat: bool) -> String {
        let options = LightsailPlan {
            region: "eu-central-1".to_owned(),
            zone: 'a',
            name: "caster".to_owned(),
            admin: "203.0.113.7".to_owned(),
            bundle: "micro_3_0".to_owned(),
            udp: udp.map(str::to_owned),
            stat,
        };
        text(&wanted(&options).unwrap())
    }

    /// The rules of each call that sets the firewall.
    fn firewalls(plan: &str) -> Vec<&str> {
        let calls = plan.split("put-instance-public-ports").skip(1);
        calls.filter_map(|call| call.split('\'').nth(1)).collect()
    }

    #[test]
    fn what_is_not_asked_for_stays_closed() {
        let plan = plan(None, false);
        let rules = firewalls(&plan);
        assert_eq!(rules.len(), 4, "{plan}");
        for rules in &rules {
            assert!(!rules.contains("1234") && !rules.contains("8081"), "{rules}");
            let page = rules.lines().find(|line| line.contains("8080")).unwrap();
            assert!(page.contains("203.0.113.7/32") && !page.contains(EVERYBODY), "{page}");
            let rtmp = rules.lines().find(|line| line.contains("1935")).unwrap();
            assert!(rtmp.contains(EVERYBODY), "{rtmp}");
        }
        let with_ssh: Vec<bool> = rules.iter().map(|rules| rules.contains(":22,")).collect();
        assert_eq!(with_ssh, [true, false, false, false], "22 is closed by the flashed one");
    }

    #[test]
    fn what_is_asked_for_is_opened_to_whom_it_was_asked_for() {
        let plan = plan(Some("198.51.100.0/24"), true);
        for rules in firewalls(&plan) {
            let line = |port| rules.lines().find(|line| line.contains(port)).unwrap();
            assert!(line("1234").contains("198.51.100.0/24") && line("1234").contains("udp"));
            assert!(line("8081").contains("203.0.113.7/32"), "{rules}");
        }
        assert!(plan.contains("allow = [\"198.51.100.0/24\"]"), "{plan}");
    }

    #[test]
    fn the_snapshot_comes_before_flashing_and_22_is_closed_after() {
        let plan = plan(None, false);
        let at = |what: &str| plan.find(what).unwrap_or_else(|| panic!("no {what}: {plan}"));
        assert!(at("caster-debian") < at("cargo xtask flash"));
        assert!(at("--dry-run") < at("Debian is gone"));
        assert!(at("Debian is gone") < at("22 is closed."));
    }

    #[test]
    fn values_need_no_more_than_single_quotes() {
        assert_eq!(word("a-b/c.pem"), "a-b/c.pem");
        assert_eq!(word("a[0]"), "'a[0]'");
    }
}
