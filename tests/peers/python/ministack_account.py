"""An account at ministack for a person who may do little: `setup` makes it and says what is where; `allow` gives the
person's user exactly the policy on standard input. The endpoint and the root's key are in the environment."""

import json
import sys

import boto3

ACCOUNT = "123456789012"
TASKS_TAKE_IT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def setup():
    iam, ec2, ecs = boto3.client("iam"), boto3.client("ec2"), boto3.client("ecs")
    rds, secrets = boto3.client("rds"), boto3.client("secretsmanager")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for number, zone in enumerate("ac"):
        tags = [{"Key": "Name", "Value": f"private-1{zone}"}]
        ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{number}.0/24",
            TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}],
        )
    ec2.create_security_group(VpcId=vpc, GroupName="proxy", Description="for a test")
    ecs.create_cluster(clusterName="main")
    roles = []
    for name in ("proxy-task", "proxy-execution"):
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TASKS_TAKE_IT))
        roles.append(role["Role"]["Arn"])
    ecs.register_task_definition(
        family="proxy",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        taskRoleArn=roles[0],
        executionRoleArn=roles[1],
        containerDefinitions=[{"name": "proxy", "image": "busybox"}],
    )
    rds.create_db_instance(
        DBInstanceIdentifier="prod-db",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        Port=5432,
        AllocatedStorage=20,
        MasterUsername="postgres",
        MasterUserPassword="long-enough-password",
    )
    secret = json.dumps({"username": "postgres", "password": "prod-secret-password"})
    secrets.create_secret(Name="prod/db", SecretString=secret)
    iam.create_user(UserName="dev")
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))


def allow():
    policy = json.dumps(json.load(sys.stdin))
    boto3.client("iam").put_user_policy(UserName="dev", PolicyName="least", PolicyDocument=policy)


{"setup": setup, "allow": allow}[sys.argv[1]]()
