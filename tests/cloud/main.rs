//! What the project prints or documents for AWS, held against the models of its services that botocore carries:
//! nothing is asked of AWS. The check is caught failing first, on what is planted.
#![cfg(test)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use test_support::tools;

const TASK: [&str; 4] = [
    "oci",
    "--ecs-task",
    "--image",
    "123456789012.dkr.ecr.eu-central-1.amazonaws.com/streamcaster:0.1.0",
];

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder")
}

/// What one of the project's own commands prints.
fn printed(arguments: &[&str], more: &[&str]) -> String {
    let output = tools::xtask(arguments).args(more).output().expect("cargo, which runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Whether the check finds nothing wrong, and what it says.
fn checked(job: &[&str], text: &str) -> (bool, String) {
    let python = target().join("tools/botocore/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/check.py");
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).args(job);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("botocore: `cargo xtask setup` installs it");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("it reads all of it first");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The shell session of the appliance's README.
fn chapter() -> String {
    let document = include_str!("../../rootfs/README.md");
    let (_, chapter) = document.split_once("\n## On Lightsail").expect("the chapter");
    let (chapter, _) = chapter.split_once("\n## ").expect("another behind it");
    let blocks = chapter.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.collect::<Vec<_>>().join("\n")
}

/// Runs a session with commands that do nothing: each call of `aws`, as the shell makes it.
fn calls(session: &str) -> String {
    const STUB: &str = "#!/bin/sh\n\
                        exec 3>&1 >> noted\n\
                        printf 'aws %s %s' \"$1\" \"$2\"\n\
                        [ \"$2\" != get-static-ip ] || echo 203.0.113.80 >&3\n\
                        shift 2\n\
                        printf \" '%s'\" \"$@\" --region \"$AWS_DEFAULT_REGION\"\n\
                        echo\n";
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let name = format!("cloud-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let put = |name: &str, script: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it is ours");
        fs::write(&path, script).expect("it is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    };
    put("aws", STUB);
    for name in ["cargo", "curl", "ffplay", "target/dist/streamcaster"] {
        put(name, "#!/bin/sh\n");
    }
    let mut bash = Command::new("bash");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    bash.current_dir(&folder).env_clear().env("PATH", path).args(["-euc", session]);
    let output = bash.output().expect("bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let noted = fs::read_to_string(folder.join("noted")).expect("`aws` was called");
    fs::remove_dir_all(&folder).expect("it is ours");
    noted
}

#[test]
fn every_call_of_the_lightsail_chapter_is_one_that_aws_knows() {
    let session = chapter();
    let calls = calls(&session);
    let (well, told) = checked(&["commands"], &calls);
    assert!(well, "{told}");
    let count = session.matches("aws lightsail ").count() + session.matches("aws sts ").count();
    assert_eq!(calls.lines().count(), count, "all are made");
    assert_eq!(told.trim(), format!("{count} commands, 0 wrong"));
    assert!(count >= 27, "{count}");
}

#[test]
fn what_is_planted_in_the_chapter_is_found() {
    let session = chapter();
    for (right, wrong, told) in [
        ("--static-ip-name ", "--static-ip-nam ", "has no option --static-ip-nam"),
        ("lightsail create-instances ", "lightsail create-instance ", "has no operation"),
        ("aws lightsail reboot", "aws lightsale reboot", "no service lightsale"),
        ("--blueprint-id debian_12 ", "", "blueprintId"),
        ("rule udp 1234", "rule UDP 1234", "UDP is none of"),
        ("\"fromPort\":'$2',", "\"fromPort\":\"'$2'\",", "Invalid type"),
        ("\"cidrs\":", "\"cidr\":", "Unknown parameter in portInfos"),
        ("\"AutoSnapshot\"", "\"Autosnapshot\"", "Autosnapshot is none of"),
        ("\"04:00\"", "\"4:00\"", "4:00 is not as"),
        ("staticIp.ipAddress", "staticIp.address", "the answer has no address"),
        ("REGION=eu-central-1 ", "REGION=eu-central-9 ", "is not in eu-central-9"),
        ("--ip-address-type ipv4", "--ip-address-type ipv5", "ipv5 is none of"),
    ] {
        assert!(session.contains(right), "no {right} in the chapter");
        let (well, said) = checked(&["commands"], &calls(&session.replace(right, wrong)));
        assert!(!well, "{wrong} is taken");
        assert!(said.contains(told), "{wrong}: {said}");
    }
    assert!(!checked(&["commands"], "# nothing\n").0, "what holds no command is not checked");
}

#[test]
fn the_other_documents_command_is_one_that_aws_knows() {
    let document = include_str!("../../xtask/README.md");
    let blocks = document.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let with_aws: Vec<&str> = blocks.filter(|block| block.contains("aws ")).collect();
    let (well, told) = checked(&["commands"], &with_aws.concat());
    assert!(well, "{told}");
    assert_eq!(told.trim(), "1 commands, 0 wrong");
}

#[test]
fn the_task_is_one_that_ecs_takes() {
    let job = ["input", "ecs", "RegisterTaskDefinition"];
    let more: [&[&str]; 2] =
        [&[], &["--efs", "fs-0123abcd", "--destination", "rtmp://live.example.com/app"]];
    for more in more {
        let (well, told) = checked(&job, &printed(&TASK, more));
        assert!(well, "{told}");
    }
    let task = printed(&TASK, &[]);
    for (right, wrong) in [
        ("\"memory\": \"512\"", "\"memory\": 512"),
        ("\"awslogs\"", "\"cloudwatch\""),
        ("\"nofile\"", "\"files\""),
        ("\"containerPort\"", "\"port\""),
        ("\"family\": \"streamcaster\",", ""),
    ] {
        assert!(task.contains(right), "no {right} in {task}");
        let (well, told) = checked(&job, &task.replace(right, wrong));
        assert!(!well, "{wrong} is taken");
        assert!(!told.is_empty(), "{wrong}");
    }
}
