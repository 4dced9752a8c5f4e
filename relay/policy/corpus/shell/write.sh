#= write
touch x
#= write
echo hi > out.txt
#= write
echo hi >> out.txt
#= write
ls &> out.txt
#= write
cp a b
#= write
rm file.txt
#= write programs=rm
\r\m file.txt
#= write programs=rm
r''m file.txt
#= write programs=rm
r"m" file.txt
#= write programs=rm
$'\x72m' file.txt
#= write programs=rm
$'\162\u006d' file.txt
#= write programs=rm
{rm,-f,file.txt}
#= write programs=rm
/bin/rm file.txt
#= write programs=rm
/usr/bin/rm file.txt
#= write
rm -rf build/
#= write
rm -rf ./target /tmp/scratch
#= write
rm -rf "${OUT:?}/"
#= write
ls | tee out.txt
#= write
ls; rm x
#= write
ls && rm x || true
#= write
(cd /tmp && rm x)
#= write
echo $(rm x)
#= write
echo "`rm x`"
#= write
echo "${a:-$(rm x)}"
#= write
x=$(rm y)
#= write
a[$(rm x)]=1
#= write
echo $((1 + $(rm x)))
#= write
cat <(rm x)
#= write
cat <<END
$(rm x)
END
#= write
bash -c 'rm x'
#= write
sh -c "sh -c 'rm x'"
#= write
bash <<'END'
rm x
END
#= write
bash <<< 'rm x'
#= write
find . -name x -exec rm {} \;
#= write
find . -name x -delete
#= write
find . | xargs rm
#= write
env -i A=1 rm x
#= write
nohup nice -n 5 timeout -k 1 5 rm x &
#= write
ssh web1 rm x
#= write
ssh web1 'ls; rm x'
#= write
command rm x
#= write
trap 'rm x' EXIT
#= write
git commit -m 'x'
#= write
git push origin main
#= write
npm install
#= write
./deploy.sh
#= write
make test
#= write
python3 script.py
#= write
sed -i 's/a/b/' file
#= write
sort -o out in
#= write
curl -o out https://example.com
#= write
curl -d @file https://example.com
#= write
kubectl apply -f x.yaml
#= write
docker run --rm alpine ls
#= write
kubectl exec pod -- ls
#= write
terraform apply
#= write
psql -c "UPDATE orders SET status = 'x' WHERE id = 1"
#= write
if true; then :; else rm x; fi
#= write
f() { rm x; }; f
#= write
/tmp/ls
#= write
./cat x
#= write
LS -la
#= write
chmod 644 file
#= write
cp /etc/hosts .
#= write
echo "${x/a/$(rm y)}"
#= write
[[ $(rm x) ]]
#= write
[ -n "$(rm x)" ]
#= write
case $(rm x) in *) ;; esac
#= write
for x in $(rm y); do :; done
#= write
for ((i = $(rm x); i < 1; i++)); do :; done
#= write
until rm x; do sleep 1; done
#= write
ls | while read x; do rm "$x"; done
#= write
! rm x
#= write
time rm x
#= write
{ ls; rm x; } 2>&1
#= write
coproc rm x
#= write
a=(1 $(rm x))
#= write
echo a\
b; rm x
#= write
ls 2> >(tee out)
#= write
x=-delete; find build $x
#= write
x=-o; sort $x out in
#= write
kubectl $(echo delete) pod x
