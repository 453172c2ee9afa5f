"""Calls every action of the simulated AWS through boto3 and walks each raw answer against botocore's own service models.

    python botocore_shapes.py ENDPOINT

boto3 itself is a lenient reader: it drops what it does not know and forgives what is missing. So each answer is kept as it came over
the wire and compared with the action's output shape: members that the model does not have, values of a wrong type, values
outside an enum, required members that are missing, nulls, times that are none. A refused call must be one of the
errors that the model declares for the action, or one of those that every action of the protocol may give.

The last line says how much was checked; the exit code is 1 if anything was found.
"""

import json
import re
import sys
import time
import urllib.request
import xml.etree.ElementTree as ElementTree

import boto3
import botocore.config
import botocore.exceptions

ISO_8601 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

# What any action may answer, whatever its model declares.
COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
    "InternalFailure", "InternalError", "InvalidClientTokenId", "InvalidSignatureException", "RequestExpired",
    "RequestLimitExceeded", "ServerException", "SignatureDoesNotMatch", "Throttling", "ThrottlingException",
    "UnauthorizedOperation", "UnrecognizedClientException", "ValidationError", "ValidationException",
    "InvalidParameterValue", "InternalServerError", "InternalServiceError",
}
# EC2's model declares no errors at all; these are in its reference.
EC2_ERRORS = {"InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidVpcID.NotFound", "InvalidNextToken"}

# The model has an endpoint's state with a capital; AWS writes it in small letters, as its reference's examples do.
SMALL = {"State"}

CONTENT_TYPES = {"json": "application/x-amz-json-1.1", "rest-json": "application/json"}

findings = []
checked = {"answers": 0, "refusals": 0, "values": 0}
called = set()


def found(where, what):
    findings.append(f"{where}: {what}")


# ---- the walk over JSON -----------------------------------------------------------------------------------------------


def walk_json(where, shape, value):
    checked["values"] += 1
    if value is None:
        return found(where, "null")
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            return found(where, f"{value!r} is no structure")
        for name in value:
            if name not in shape.members:
                found(where, f"unknown member {name}")
        for name in shape.required_members:
            if name not in value:
                found(where, f"missing {name}")
        for name, member in shape.members.items():
            if name in value:
                walk_json(f"{where}.{name}", member, value[name])
    elif kind == "list":
        if not isinstance(value, list):
            return found(where, f"{value!r} is no list")
        for index, item in enumerate(value):
            walk_json(f"{where}[{index}]", shape.member, item)
    elif kind == "map":
        if not isinstance(value, dict):
            return found(where, f"{value!r} is no map")
        for key, item in value.items():
            walk_json(f"{where}[{key}]", shape.value, item)
    else:
        walk_json_scalar(where, shape, value)


def walk_json_scalar(where, shape, value):
    kind = shape.type_name
    if kind in ("string", "character"):
        if not isinstance(value, str):
            return found(where, f"{value!r} is no string")
        check_text(where, shape, value)
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            found(where, f"{value!r} is no {kind}")
    elif kind in ("float", "double"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            found(where, f"{value!r} is no {kind}")
    elif kind == "boolean":
        if not isinstance(value, bool):
            found(where, f"{value!r} is no boolean")
    elif kind == "timestamp":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            found(where, f"{value!r} is no time in seconds since 1970")
        elif not 1_500_000_000 < value < 4_000_000_000:
            found(where, f"{value!r} is no plausible time in seconds")
    elif kind != "blob":
        found(where, f"unexpected kind {kind}")


def check_text(where, shape, value):
    if shape.enum and value not in shape.enum and not (shape.name in SMALL and value.capitalize() in shape.enum):
        found(where, f"{value!r} is not in the enum {shape.enum}")
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        found(where, f"{value!r} is shorter than {least}")
    if most is not None and len(value) > most:
        found(where, f"{value!r} is longer than {most}")
    pattern = shape.metadata.get("pattern")
    if pattern:
        try:
            compiled = re.compile(pattern)
        except re.error:
            return
        if not compiled.search(value):
            found(where, f"{value!r} does not match {pattern}")


# ---- the walk over XML ------------------------------------------------------------------------------------------------


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def member_names(shape):
    """The element names of a structure's members: the location name, in a flattened list the item's own."""
    names = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            wire = member.member.serialization.get("name", wire)
        names[wire] = member
    return names


def walk_xml(where, shape, element):
    checked["values"] += 1
    kind = shape.type_name
    if kind == "structure":
        names = member_names(shape)
        seen = set()
        for child in element:
            name = local(child)
            if name not in names:
                found(where, f"unknown element {name}")
                continue
            if name in seen and not names[name].serialization.get("flattened"):
                found(where, f"{name} stands there twice")
            seen.add(name)
            walk_xml(f"{where}.{name}", names[name], child)
        for name in shape.required_members:
            if shape.members[name].serialization.get("name", name) not in seen:
                found(where, f"missing {name}")
    elif kind == "list":
        item = shape.member.serialization.get("name", "member")
        for index, child in enumerate(element):
            if local(child) != item:
                found(where, f"an item is called {local(child)} and not {item}")
            walk_xml(f"{where}[{index}]", shape.member, child)
    else:
        walk_xml_scalar(where, shape, element)


def walk_xml_scalar(where, shape, element):
    kind, text = shape.type_name, element.text or ""
    if len(element):
        found(where, f"a {kind} has elements in it")
    if kind == "string":
        check_text(where, shape, text)
    elif kind in ("integer", "long"):
        if not re.fullmatch(r"-?\d+", text):
            found(where, f"{text!r} is no {kind}")
    elif kind == "boolean":
        if text not in ("true", "false"):
            found(where, f"{text!r} is no boolean")
    elif kind == "timestamp":
        if not ISO_8601.match(text):
            found(where, f"{text!r} is no ISO 8601 time")
    elif kind not in ("float", "double", "blob"):
        found(where, f"unexpected kind {kind}")


# ---- one raw answer ---------------------------------------------------------------------------------------------------


def check_answer(model, operation, response):
    where = f"{model.service_name}.{operation.name}"
    called.add(where)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if not headers.get("x-amzn-requestid"):
        found(where, "no x-amzn-requestid")
    if not headers.get("date"):
        found(where, "no Date")
    protocol = model.metadata["protocol"]
    if response.status_code >= 300:
        return check_refusal(where, model, operation, protocol, response)
    checked["answers"] += 1
    if protocol in CONTENT_TYPES:
        if not headers.get("content-type", "").startswith(CONTENT_TYPES[protocol]):
            found(where, f"content type {headers.get('content-type')}")
        return walk_json(where, operation.output_shape, json.loads(response.content))
    root = ElementTree.fromstring(response.content)
    if local(root) != f"{operation.name}Response":
        found(where, f"the root is {local(root)}")
    namespace = model.metadata["xmlNamespace"]
    if root.tag.split("}")[0].strip("{").rstrip("/") != namespace.rstrip("/"):
        found(where, f"the namespace is {root.tag}")
    if protocol == "ec2":
        ids = [child for child in root if local(child) == "requestId"]
        if len(ids) != 1 or not ids[0].text:
            found(where, "no requestId")
        for child in ids:
            root.remove(child)
        return walk_xml(where, operation.output_shape, root)
    wrapper = operation.output_shape.serialization["resultWrapper"]
    results = [child for child in root if local(child) == wrapper]
    if len(results) != 1:
        return found(where, f"no {wrapper}")
    if not [child for child in root if local(child) == "ResponseMetadata"]:
        found(where, "no ResponseMetadata")
    return walk_xml(where, operation.output_shape, results[0])


def check_refusal(where, model, operation, protocol, response):
    checked["refusals"] += 1
    declared = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in operation.error_shapes}
    if protocol in CONTENT_TYPES:
        body = json.loads(response.content)
        code = body.pop("__type", None) if protocol == "json" else response.headers.get("x-amzn-errortype")
        shape = declared.get(code)
        if shape is not None:
            known = {name.lower() for name in shape.members}
            for name in body:
                if name.lower() not in known | {"message"}:
                    found(where, f"{code} has no member {name}")
    else:
        root = ElementTree.fromstring(response.content)
        code = next((element.text for element in root.iter() if local(element) == "Code"), None)
        message = next((element.text for element in root.iter() if local(element) == "Message"), None)
        if not message:
            found(where, f"{code} has no Message")
        shape = declared.get(code)
        status = shape.metadata.get("error", {}).get("httpStatusCode") if shape is not None else None
        if status is not None and status != response.status_code:
            found(where, f"{code} has status {response.status_code} and not {status}")
    allowed = set(declared) | COMMON_ERRORS | (EC2_ERRORS if protocol == "ec2" else set())
    if code not in allowed:
        found(where, f"refused with {code}, which is not declared")


# ---- the calls --------------------------------------------------------------------------------------------------------


class Account:
    """boto3 clients whose raw answers are all checked."""

    def __init__(self, endpoint, env):
        self.session = boto3.session.Session(
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name=env["AWS_REGION"],
        )
        self.endpoint = endpoint
        self.config = botocore.config.Config(retries={"total_max_attempts": 1})

    def client(self, name):
        # IAM is one for all regions; boto3 knows that by the endpoint alone, which is not IAM's here.
        region = "us-east-1" if name == "iam" else None
        client = self.session.client(name, endpoint_url=self.endpoint, config=self.config, region_name=region)
        model = client.meta.service_model

        def inspect(http_response=None, model_of=model, operation_model=None, **_):
            check_answer(model_of, operation_model, http_response)

        send = client._endpoint.make_request

        def make_request(operation_model, request_dict):
            response = send(operation_model, request_dict)
            inspect(http_response=response[0], operation_model=operation_model)
            return response

        client._endpoint.make_request = make_request
        return client


def refused(code, call, **parameters):
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != code:
            found(call.__name__, f"refused with {error.response['Error']['Code']} and not {code}")
        return
    found(call.__name__, f"not refused with {code}")


def wait_for(what, holds, limit=30.0):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.05)
    found("waiting", what)


CLUSTER = "neuraKnot-prod-cluster"


def run_a_task(ecs, ec2, **more):
    subnets = ec2.describe_subnets(Filters=[{"Name": "tag:Name", "Values": ["neuraKnot-prod-private-*"]}])["Subnets"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["neuraKnot-prod-ecs-sg"]}])
    answer = ecs.run_task(
        cluster=CLUSTER,
        taskDefinition="neuraKnot-prod-ssm-proxy",
        enableExecuteCommand=True,
        startedBy="bastiond/shapes",
        tags=[{"key": "owner", "value": "shapes"}],
        overrides={"containerOverrides": [{"name": "proxy", "environment": [{"name": "WHO", "value": "shapes"}]}]},
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": [subnet["SubnetId"] for subnet in subnets],
                "securityGroups": [group["GroupId"] for group in groups["SecurityGroups"]],
                "assignPublicIp": "DISABLED",
            }
        },
        **({"launchType": "FARGATE"} | more),
    )
    return answer["tasks"][0]["taskArn"]


def describe(ecs, arn):
    return ecs.describe_tasks(cluster=CLUSTER, tasks=[arn], include=["TAGS"])


def tasks_and_sessions(account):
    ecs, ec2, ssm = account.client("ecs"), account.client("ec2"), account.client("ssm")
    arn = run_a_task(ecs, ec2, clientToken="shapes-1")
    statuses, agents = set(), set()

    def ready():
        answer = describe(ecs, arn)
        for task in answer["tasks"]:
            statuses.add(task["lastStatus"])
            own = [one for one in task["containers"] if one["name"] == "proxy"][0]
            agents.add(own["managedAgents"][0]["lastStatus"])
            if own["managedAgents"][0]["lastStatus"] == "RUNNING":
                target = f"ecs:{CLUSTER}_{arn.rsplit('/', 1)[1]}_{own['runtimeId']}"
                return ssm.get_connection_status(Target=target)["Status"] == "connected" and target
        return None

    targets = []
    wait_for("a task to be ready", lambda: targets.append(ready()) or targets[-1])
    target = targets[-1]
    if not {"PROVISIONING", "PENDING", "RUNNING"} <= statuses:
        found("the task's life", f"only {sorted(statuses)} were seen")
    if agents != {"PENDING", "RUNNING"}:
        found("the agent's life", f"only {sorted(agents)} were seen")
    sessions(ssm, target, arn)
    ecs.list_tasks(cluster=CLUSTER, startedBy="bastiond/shapes")
    ecs.list_tasks(cluster=CLUSTER, family="neuraKnot-prod-ssm-proxy", desiredStatus="RUNNING")
    stopped = ecs.stop_task(cluster=CLUSTER, task=arn, reason="shapes are done")["task"]
    if stopped["tags"]:
        found("StopTask", "the tags are still there")
    wait_for("the task to stop", lambda: describe(ecs, arn)["tasks"][0]["lastStatus"] == "STOPPED")
    ecs.stop_task(cluster=CLUSTER, task=arn)
    ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    spot = account.client("ecs")
    other = run_a_task_on_spot(spot, ec2, strategy)
    spot.stop_task(cluster=CLUSTER, task=other)
    refusals_of_ecs(ecs, arn)


def run_a_task_on_spot(ecs, ec2, strategy):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    answer = ecs.run_task(
        cluster=CLUSTER,
        taskDefinition="neuraKnot-prod-ssm-proxy:7",
        capacityProviderStrategy=strategy,
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "assignPublicIp": "ENABLED"}},
    )
    return answer["tasks"][0]["taskArn"]


def sessions(ssm, target, arn):
    document = "AWS-StartPortForwardingSessionToRemoteHost"
    parameters = {"host": ["db.example.internal"], "portNumber": ["5432"], "localPortNumber": ["15432"]}
    start = {"DocumentName": document, "Parameters": parameters}
    session = ssm.start_session(Target=target, Reason="shapes", **start)["SessionId"]
    ssm.describe_sessions(State="Active", Filters=[{"key": "Target", "value": target}])
    ssm.resume_session(SessionId=session)
    ssm.terminate_session(SessionId=session)
    ssm.resume_session(SessionId=session)
    ssm.describe_sessions(State="History")
    cluster, task, _ = target[4:].rsplit("_", 2)
    refused("TargetNotConnected", ssm.start_session, Target=f"ecs:{cluster}_{task}", **start)
    refused("TargetNotConnected", ssm.start_session, Target=target + "0", **start)
    refused("InvalidDocument", ssm.start_session, Target=target, DocumentName="no-such-document")
    ssm.get_connection_status(Target=f"ecs:{cluster}_{task}")


def refusals_of_ecs(ecs, arn):
    refused("ClusterNotFoundException", ecs.describe_tasks, cluster="no-such", tasks=[arn])
    refused("InvalidParameterException", ecs.stop_task, cluster=CLUSTER, task="0" * 32)
    refused("ClientException", ecs.describe_task_definition, taskDefinition="no-such")
    refused("ServiceNotFoundException", ecs.update_service, cluster="dev-cluster", service="no-such")
    refused("ClientException", ecs.run_task, cluster=CLUSTER, taskDefinition="no-such")
    network = {"awsvpcConfiguration": {"subnets": ["subnet-0a11ce0000000001a"]}}
    run = {"cluster": CLUSTER, "taskDefinition": "neuraKnot-prod-ssm-proxy", "networkConfiguration": network}
    ecs.run_task(clientToken="shapes-2", launchType="FARGATE", **run)
    refused("ConflictException", ecs.run_task, clientToken="shapes-2", launchType="FARGATE", count=2, **run)
    refused("InvalidParameterException", ecs.run_task, launchType="EC2", **run)
    missing = ecs.describe_tasks(cluster=CLUSTER, tasks=["f" * 32])
    if [failure["reason"] for failure in missing["failures"]] != ["MISSING"]:
        found("DescribeTasks", "an unknown task is not MISSING")


def everything_else(account):
    ecs = account.client("ecs")
    ecs.describe_task_definition(taskDefinition="neuraKnot-prod-ssm-proxy", include=["TAGS"])
    ecs.describe_clusters(clusters=[CLUSTER, "dev-cluster", "no-such"], include=["TAGS"])
    ecs.list_services(cluster="dev-cluster")
    ecs.list_clusters()
    ecs.list_task_definition_families(status="ACTIVE")
    ecs.list_task_definitions(familyPrefix="dev-bastion", sort="DESC")
    ecs.describe_services(cluster="dev-cluster", services=["bastion-service", "no-such"])
    ecs.update_service(cluster="dev-cluster", service="bastion-service", forceNewDeployment=True)
    ecs.list_tasks(cluster="dev-cluster", serviceName="bastion-service")
    ec2 = account.client("ec2")
    ec2.describe_vpcs()
    ec2.describe_regions(AllRegions=True)
    ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["neuraKnot-*"]}])
    ec2.describe_subnets(SubnetIds=["subnet-0a11ce0000000001a"])
    ec2.describe_security_groups()
    admin(account.endpoint, "world", {
        "vpc_endpoints": {
            "vpce-1": {
                "vpc": "vpc-0a11ce00000000001", "service": "com.amazonaws.ap-northeast-1.ssmmessages",
                "subnets": ["subnet-0a11ce0000000001a"], "security_groups": ["sg-0a11ce000000000ec"],
            },
            "vpce-2": {
                "vpc": "vpc-0a11ce00000000001", "service": "com.amazonaws.ap-northeast-1.s3",
                "kind": "Gateway", "route_tables": ["rtb-0a11ce000000000aa"],
            },
        },
        "security_groups": {"sg-0a11ce000000000ec": {"ingress": [
            {"protocol": "tcp", "ports": [443, 443], "cidrs": ["10.0.0.0/16", "::/0"], "prefix_lists": ["pl-0a11ce"]},
        ]}},
    })
    ec2.describe_security_groups(GroupIds=["sg-0a11ce000000000ec"])
    ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": ["subnet-0a11ce0000000001a"]}])
    ec2.describe_route_tables()
    ec2.describe_nat_gateways(Filters=[{"Name": "state", "Values": ["available"]}])
    ec2.describe_vpc_endpoints()
    for attribute in ["enableDnsSupport", "enableDnsHostnames"]:
        ec2.describe_vpc_attribute(VpcId="vpc-0a11ce00000000001", Attribute=attribute)
    refused("InvalidVpcID.NotFound", ec2.describe_vpc_attribute, VpcId="vpc-0", Attribute="enableDnsSupport")
    refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=["subnet-0"])
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=["sg-0"])
    iam = account.client("iam")
    user = "arn:aws:iam::123456789012:user/dev"
    wishes = {"ActionNames": ["ssm:StartSession", "ecs:RunTask"], "ResourceArns": ["*"]}
    context = [{"ContextKeyName": "ecs:cluster", "ContextKeyType": "string", "ContextKeyValues": ["x"]}]
    answer = iam.simulate_principal_policy(PolicySourceArn=user, ContextEntries=context, **wishes)
    if [one["EvalDecision"] for one in answer["EvaluationResults"]] != ["allowed", "allowed"]:
        found("SimulatePrincipalPolicy", "the user may not do everything")
    bound = {"Statement": {"Effect": "Deny", "Action": "ssm:*", "Resource": "*"}}
    admin(account.endpoint, "world", {
        "roles": {"bound": {"policies": {"own": {"p": {"Statement": {
            "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}},
        }}}, "boundary": bound}}},
        "organisation_policy": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},
    })
    role = iam.get_role(RoleName="bound")["Role"]["Arn"]
    answer = iam.simulate_principal_policy(PolicySourceArn=role, **wishes)
    if [one["EvalDecision"] for one in answer["EvaluationResults"]] != ["explicitDeny", "implicitDeny"]:
        found("SimulatePrincipalPolicy", "the boundary does not count")
    refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=user + "-no-such", **wishes)
    refused("NoSuchEntity", iam.get_role, RoleName="no-such")
    refused("InvalidInput", iam.simulate_principal_policy, PolicySourceArn="arn:aws:sts::1:assumed-role/x/y", **wishes)
    rds = account.client("rds")
    rds.describe_db_instances()
    rds.describe_db_instances(DBInstanceIdentifier="neuraKnot-prod-db")
    rds.describe_db_clusters()
    rds.describe_db_cluster_endpoints()
    rds.describe_db_proxies()
    refused("DBInstanceNotFound", rds.describe_db_instances, DBInstanceIdentifier="no-such")
    refused("DBClusterNotFoundFault", rds.describe_db_clusters, DBClusterIdentifier="no-such")
    refused("DBProxyNotFoundFault", rds.describe_db_proxies, DBProxyName="no-such")
    secrets = account.client("secretsmanager")
    secrets.list_secrets()
    secrets.list_secrets(Filters=[{"Key": "owning-service", "Values": ["rds"]}])
    secrets.get_secret_value(SecretId="prod/neuraKnot")
    secrets.describe_secret(SecretId="rds!db-0bbbbbbb-1111-4222-8333-444444444444")
    refused("ResourceNotFoundException", secrets.get_secret_value, SecretId="no-such")
    admin(account.endpoint, "world", {
        "log_groups": {"/ecs/shapes": {"streams": {"ecs/proxy/*": ["first", "last"]}}},
        "sso_logins": {"token-1": {
            "expires_ms": 4102444800000, "refresh": "refresh-1", "roles": ["Dev"], "role_seconds": 3600,
        }},
    })
    logs = account.client("logs")
    logs.get_log_events(logGroupName="/ecs/shapes", logStreamName="ecs/proxy/0123", limit=1)
    refused("ResourceNotFoundException", logs.get_log_events, logGroupName="no-such", logStreamName="x")
    sso = account.client("sso")
    sso.get_role_credentials(roleName="Dev", accountId="123456789012", accessToken="token-1")
    refused("UnauthorizedException", sso.get_role_credentials, roleName="Dev", accountId="123456789012", accessToken="x")
    oidc = account.client("sso-oidc")
    oidc.create_token(clientId="c", clientSecret="s", grantType="refresh_token", refreshToken="refresh-1")
    refused(
        "InvalidGrantException", oidc.create_token,
        clientId="c", clientSecret="s", grantType="refresh_token", refreshToken="refresh-1",
    )
    sts = account.client("sts")
    sts.get_caller_identity()
    role = "arn:aws:iam::123456789012:role/bastion-operator"
    sts.assume_role(RoleArn=role, RoleSessionName="shapes")
    refused("AccessDenied", sts.assume_role, RoleArn=role + "-no-such", RoleSessionName="shapes")


def scripted_refusals(account):
    """The faults of the script, in each of the three protocols' own envelopes."""
    calls = [
        ("ecs", lambda client: client.describe_clusters(), "ThrottlingException", "AccessDeniedException", "ServerException"),
        ("ssm", lambda client: client.describe_sessions(State="Active"), "ThrottlingException", "AccessDeniedException", "InternalServerError"),
        ("secretsmanager", lambda client: client.list_secrets(), "ThrottlingException", "AccessDeniedException", "InternalServiceError"),
        ("iam", lambda client: client.get_role(RoleName="bastion-operator"), "Throttling", "AccessDenied", "InternalFailure"),
        ("rds", lambda client: client.describe_db_instances(), "Throttling", "AccessDenied", "InternalFailure"),
        ("sts", lambda client: client.get_caller_identity(), "Throttling", "AccessDenied", "InternalFailure"),
        ("ec2", lambda client: client.describe_vpcs(), "RequestLimitExceeded", "UnauthorizedOperation", "InternalError"),
    ]
    for service, call, throttled, denied, broken in calls:
        client = account.client(service)
        for fault, code in [("throttled", throttled), ("access_denied", denied), ("broken", broken)]:
            admin(account.endpoint, "faults", {"service": service, "times": 1, "what": {"kind": fault}})
            refused(code, lambda: call(client))


def admin(endpoint, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{endpoint}/_sim/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def main():
    endpoint = sys.argv[1]
    env = json.loads(sys.argv[2])
    account = Account(endpoint, env)
    everything_else(account)
    tasks_and_sessions(account)
    scripted_refusals(account)
    for line in findings:
        print(line)
    print(
        f"shapes: {len(called)} actions, {checked['answers']} answers, {checked['refusals']} refusals, "
        f"{checked['values']} values against botocore's models: {len(findings)} findings"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
