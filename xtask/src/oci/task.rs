//! A task definition for Amazon ECS, as `aws ecs register-task-definition --cli-input-json` takes
//! it. Purpose: the container as narrow as it can run, on Fargate and on EC2 alike. Non-goals: the
//! service, its load balancer and roles around it. Bound: one container.

use serde_json::{json, Value};

use super::layout::PROGRAM;
use super::options::Oci;

/// Fargate's smallest (0.25 vCPU, 512 MiB): more than the program takes.
const CPU: &str = "256";
const MEMORY: &str = "512";
/// Viewers, destinations and files, with room.
const DESCRIPTORS: u64 = 4096;
/// Pushes are ended politely within this time.
const STOP_S: u64 = 30;

/// Where the task runs.
struct TaskPlace<'a> {
    image: &'a str,
    region: &'a str,
    account: &'a str,
}

/// The task definition's JSON.
pub fn definition(options: &Oci) -> Result<String, String> {
    let TaskPlace { image, region, account } = place(options)?;
    let volume = match &options.efs {
        Some(efs) => json!({"name": "data", "efsVolumeConfiguration": efs_volume(efs)?}),
        None => json!({"name": "data"}),
    };
    let mut secrets = vec![secret("HTTP_PASSWORD_HASH", region, account, "http-password-hash")];
    let mut environment = Vec::new();
    if let Some(url) = &options.destination {
        if !url.starts_with("rtmp://") {
            return Err(format!("--destination {url}: a server, as rtmp://live.example.com/app"));
        }
        environment.push(json!({"name": "RTMP_SERVER", "value": url}));
        secrets.push(secret("STREAM_KEY", region, account, "stream-key"));
    }
    let container = json!({
        "name": "streamcaster",
        "image": image,
        "essential": true,
        "user": "65532:65532",
        "readonlyRootFilesystem": true,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
        "command": ["run", "--data", "/data"],
        "environment": environment,
        "secrets": secrets,
        "portMappings": ports(),
        "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
        "healthCheck": health(),
        "stopTimeout": STOP_S,
        "ulimits": [{"name": "nofile", "softLimit": DESCRIPTORS, "hardLimit": DESCRIPTORS}],
        "logConfiguration": log(region),
    });
    let task = json!({
        "family": "streamcaster",
        "requiresCompatibilities": ["FARGATE", "EC2"],
        "networkMode": "awsvpc",
        "cpu": CPU,
        "memory": MEMORY,
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "executionRoleArn": format!("arn:aws:iam::{account}:role/ecsTaskExecutionRole"),
        "volumes": [volume],
        "containerDefinitions": [container],
    });
    Ok(format!("{task:#}\n"))
}

/// Where it runs: as said, else as a name of Amazon ECR tells,
/// `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`.
fn place(options: &Oci) -> Result<TaskPlace<'_>, String> {
    let image = options.image.as_deref().ok_or("--ecs-task needs --image, as it was pushed")?;
    if image.is_empty() || image.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(format!("--image {image}: as REGISTRY/NAME:TAG"));
    }
    let host = image.split('/').next().unwrap_or_default();
    let from_name = match host.split('.').collect::<Vec<_>>()[..] {
        [account, "dkr", "ecr", region, "amazonaws", "com"] => Some((account, region)),
        _ => None,
    };
    let region = options.region.as_deref().or(from_name.map(|(_, region)| region));
    let account = options.account.as_deref().or(from_name.map(|(account, _)| account));
    let region = region.ok_or("--region is needed: the image's name tells none")?;
    let account = account.ok_or("--account is needed: the image's name tells none")?;
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.matches('-').count() < 2 || !region.bytes().all(letters) {
        return Err(format!("--region {region}: as eu-central-1"));
    }
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("--account {account}: 12 digits"));
    }
    Ok(TaskPlace { image, region, account })
}

/// Encrypted on its way; the access point, if there is to be one, has to own it as 65532.
fn efs_volume(id: &str) -> Result<Value, String> {
    let hexadecimal = id
        .strip_prefix("fs-")
        .filter(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal.ok_or_else(|| format!("--efs {id}: as fs-0123abcd"))?;
    Ok(json!({"fileSystemId": id, "transitEncryption": "ENABLED"}))
}

/// A variable whose value only the task sees: a SecureString of the Parameter Store.
fn secret(name: &str, region: &str, account: &str, parameter: &str) -> Value {
    let from = format!("arn:aws:ssm:{region}:{account}:parameter/streamcaster/{parameter}");
    json!({"name": name, "valueFrom": from})
}

fn ports() -> Value {
    let ports = [("tcp", 1935), ("tcp", 8080), ("tcp", 8081), ("udp", 1234)];
    ports.map(|(protocol, port)| json!({"containerPort": port, "protocol": protocol})).into()
}

/// A container that fails this is ended and begun again, so it asks only for what that may help.
fn health() -> Value {
    json!({
        "command": ["CMD", PROGRAM, "probe", "--data", "/data", "--unhealthy-only"],
        "interval": 30,
        "timeout": 10,
        "retries": 3,
        "startPeriod": 30,
    })
}

fn log(region: &str) -> Value {
    json!({
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/ecs/streamcaster",
            "awslogs-region": region,
            "awslogs-stream-prefix": "streamcaster",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/streamcaster:0.1.0";

    fn task(image: &str, change: impl FnOnce(&mut Oci)) -> Result<String, String> {
        let mut options = Oci {
            binary: None,
            config: None,
            ecs_task: true,
            image: Some(image.to_owned()),
            region: None,
            account: None,
            efs: None,
            destination: None,
        };
        change(&mut options);
        definition(&options)
    }

    #[test]
    fn region_and_account_are_those_of_the_image_unless_said_otherwise() {
        let told = task(IMAGE, |_| ()).unwrap();
        assert!(told.contains("arn:aws:ssm:eu-central-1:123456789012:parameter/"), "{told}");
        let told = task(IMAGE, |options| options.region = Some("us-east-1".to_owned())).unwrap();
        assert!(told.contains("arn:aws:ssm:us-east-1:123456789012:parameter/"), "{told}");
        let error = task("ghcr.io/a/b:1", |_| ()).unwrap_err();
        assert!(error.contains("--region is needed"), "{error}");
    }

    #[test]
    fn keys_are_secrets_and_never_values() {
        let url = "rtmp://live.example.com/app";
        let told = task(IMAGE, |options| options.destination = Some(url.to_owned())).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let container = &told["containerDefinitions"][0];
        assert_eq!(container["environment"], json!([{"name": "RTMP_SERVER", "value": url}]));
        let secrets = container["secrets"].as_array().unwrap();
        let named: Vec<_> = secrets.iter().map(|secret| &secret["name"]).collect();
        assert_eq!(named, ["HTTP_PASSWORD_HASH", "STREAM_KEY"]);
        assert!(secrets.iter().all(|secret| secret.get("value").is_none()), "{told}");
        assert!(!task(IMAGE, |_| ()).unwrap().contains("STREAM_KEY"));
    }

    #[test]
    fn wrong_values_are_told_by_their_option() {
        let error = |change: fn(&mut Oci)| task(IMAGE, change).unwrap_err();
        assert!(error(|o| o.account = Some("12".to_owned())).starts_with("--account 12"));
        assert!(error(|o| o.region = Some("Mars".to_owned())).starts_with("--region Mars"));
        assert!(error(|o| o.efs = Some("fs-x".to_owned())).starts_with("--efs fs-x"));
        assert!(error(|o| o.destination = Some("http://a".to_owned())).contains("--destination"));
        assert!(error(|o| o.image = Some("a b".to_owned())).starts_with("--image a b"));
    }
}
