import boto3, pytest, botocore
def test_a(faulty_s3):
    faulty_s3.target.put("a/b c", b"x"*1000)
    c=faulty_s3.client
    assert c.get_object(Bucket=faulty_s3.bucket, Key="a/b c")["Body"].read()==b"x"*1000
    faulty_s3.proxy.fail("a/*",503,"SlowDown",times=1)
    with pytest.raises(botocore.exceptions.ClientError) as e:
        c.get_object(Bucket=faulty_s3.bucket, Key="a/b c")
    print(e.value)
    faulty_s3.proxy.cut("a/*",100)
    with pytest.raises(Exception) as e:
        c.get_object(Bucket=faulty_s3.bucket, Key="a/b c")["Body"].read()
    print(repr(e.value))
    print(faulty_s3.proxy.counts, faulty_s3.proxy.requests)
    c.put_object(Bucket=faulty_s3.bucket,Key="q",Body=b"zz")
    assert c.head_object(Bucket=faulty_s3.bucket,Key="a/b c")["ContentLength"]==1000
    print(c.list_objects_v2(Bucket=faulty_s3.bucket)["KeyCount"])
