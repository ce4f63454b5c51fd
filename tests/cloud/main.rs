//! What the project prints for AWS, held against the models of its services that botocore carries:
//! nothing is asked of AWS. The check is caught failing first, on what is planted.
#![cfg(test)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use test_support::tools;

const ADMIN: [&str; 4] = ["lightsail", "plan", "--admin", "203.0.113.7"];
const TASK: [&str; 4] = [
    "oci",
    "--ecs-task",
    "--image",
    "123456789012.dkr.ecr.eu-central-1.amazonaws.com/streamcaster:0.1.0",
];

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder")
}

/// Runs one of the project's own commands.
fn xtask(arguments: &[&str], more: &[&str]) -> Output {
    let mut command = tools::xtask(arguments);
    command.args(more).output().expect("cargo, which runs this test, starts")
}

fn printed(arguments: &[&str], more: &[&str]) -> String {
    let output = xtask(arguments, more);
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

fn assert_commands(text: &str, at_least: usize) {
    let (well, told) = checked(&["commands"], text);
    assert!(well, "{told}");
    let count: usize = told.split(' ').next().and_then(|n| n.parse().ok()).expect("a count");
    assert!(count >= at_least, "{told}");
    assert_eq!(text.matches("aws ").count() - text.matches("`aws ").count(), count, "all are seen");
}

#[test]
fn every_command_of_every_plan_is_one_that_aws_knows() {
    let more: [&[&str]; 3] = [
        &[],
        &["--stat", "--udp", "198.51.100.0/24", "--region", "ap-northeast-1", "--zone", "c"],
        &["--bundle", "2xlarge_3_0", "--name", "caster-7"],
    ];
    for more in more {
        assert_commands(&printed(&ADMIN, more), 27);
    }
}

#[test]
fn a_shell_reads_the_plan_as_it_stands() {
    let plan = printed(&ADMIN, &["--stat", "--udp", "198.51.100.7"]);
    let mut bash = Command::new("bash");
    let read = bash.args(["-n", "-c", &plan]).output().expect("bash");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn what_is_planted_in_a_plan_is_found() {
    let plan = printed(&ADMIN, &["--udp", "198.51.100.7"]);
    for (right, wrong, told) in [
        ("--static-ip-name ", "--static-ip-nam ", "has no option --static-ip-nam"),
        ("lightsail create-instances ", "lightsail create-instance ", "has no operation"),
        ("aws lightsail reboot", "aws lightsale reboot", "no service lightsale"),
        ("  --blueprint-id debian_12 \\\n", "", "blueprintId"),
        ("\"protocol\":\"udp\"", "\"protocol\":\"UDP\"", "UDP is none of"),
        ("\"fromPort\":1935", "\"fromPort\":\"1935\"", "Invalid type"),
        ("\"cidrs\":", "\"cidr\":", "Unknown parameter in portInfos"),
        ("\"AutoSnapshot\"", "\"Autosnapshot\"", "Autosnapshot is none of"),
        ("\"04:00\"", "\"4:00\"", "4:00 is not as"),
        ("staticIp.ipAddress", "staticIp.address", "the answer has no address"),
        ("region eu-central-1", "region eu-central-9", "is not in eu-central-9"),
        ("--ip-address-type ipv4", "--ip-address-type ipv5", "ipv5 is none of"),
    ] {
        assert!(plan.contains(right), "no {right} in the plan");
        let (well, said) = checked(&["commands"], &plan.replace(right, wrong));
        assert!(!well && said.contains(told), "{wrong}: {said}");
    }
    assert!(!checked(&["commands"], "# nothing\n").0, "what holds no command is not checked");
}

#[test]
fn the_regions_are_those_that_have_lightsail() {
    let output = xtask(&ADMIN, &["--region", "nowhere"]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    let (_, told) = error.trim().split_once("Lightsail is in ").expect("the regions are told");
    let (well, regions) = checked(&["regions", "lightsail"], "");
    assert!(well, "{regions}");
    assert_eq!(told.split(", ").collect::<Vec<_>>(), regions.lines().collect::<Vec<_>>());
}

#[test]
fn the_documents_commands_are_ones_that_aws_knows() {
    let documents =
        [include_str!("../../xtask/README.md"), include_str!("../../rootfs/README.md")].concat();
    let blocks = documents.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let with_aws: Vec<&str> = blocks.filter(|block| block.contains("aws ")).collect();
    assert_commands(&with_aws.concat(), 1);
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
